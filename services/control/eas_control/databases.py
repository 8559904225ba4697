"""Which databases the suite has, and where: the one rule for `eas up` and `eas db`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from eas.database.description import DatabaseDescription
from eas.database.engines import parse_database_url
from eas.database.servers import name_database
from eas_control.domain.errors import UsageError
from eas_control.storage.data_folder import DataFolder
from eas_logging.main import describe_database as describe_log_database
from eas_product_store.main import describe_database as describe_product_database
from eas_scheduler.main import describe_database as describe_job_database


@dataclass(frozen=True)
class ServiceDatabase:
    """A service's database, and where it is."""

    description: DatabaseDescription
    url: str

    @property
    def service(self) -> str:
        """The service's name."""
        return self.description.service


def locate_databases(folder: DataFolder, server: str | None, environment: Mapping[str, str]) -> list[ServiceDatabase]:
    """Say where the services' databases are, in the order in which they are dumped.

    The environment variable of a service itself comes first, then the server, then the data folder. What the scheduler
    knows of versions, the product store knew before: so it is dumped after the scheduler.

    Parameters
    ----------
    folder
        The data folder.
    server
        URL of a server, if the user named one, with the beginning of the databases' names.
    environment
        Environment variables.

    Raises
    ------
    UsageError
        A URL is none.
    """
    return [
        ServiceDatabase(description, _locate(description, folder, server, environment))
        for description in _describe_databases()
    ]


def _describe_databases() -> list[DatabaseDescription]:
    try:
        return [describe_job_database(), describe_product_database(), describe_log_database()]
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        name = "_".join(map(str, found["loc"])).upper()
        raise UsageError(f"EAS_SCHEDULER_{name}: {found['msg']}") from error


def _locate(
    description: DatabaseDescription, folder: DataFolder, server: str | None, environment: Mapping[str, str]
) -> str:
    source = "--database"
    try:
        if own := environment.get(description.variable):
            source = description.variable
            parse_database_url(own)
            return own
        if server:
            return name_database(server, description.service)
    except ValueError as error:
        raise UsageError(f"{source}: {error}") from None
    return folder.database_url(description.service)
