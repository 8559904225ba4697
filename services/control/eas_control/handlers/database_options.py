"""What the commands on databases have in common: options, where the databases are, and how results are shown."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eas.client.suite.endpoint import DEFAULT_FOLDER
from eas_control.storage.data_folder import DataFolder
from eas_control.views.documents import print_json
from eas_control.views.text import open_console, plain

if TYPE_CHECKING:
    from eas_control.databases import ServiceDatabase


class ServiceName(StrEnum):
    """The services that have a database."""

    SCHEDULER = "scheduler"
    PRODUCT_STORE = "product_store"
    LOGGING = "logging"


DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        envvar="EAS_DATABASE",
        show_envvar=True,
        help="A server, in place of files in the data folder: postgresql://USER:PASSWORD@HOST/eas, or mysql://…",
    ),
]
FolderOption = Annotated[
    Path | None, typer.Option("--data", help=f"Data folder of the suite; {DEFAULT_FOLDER} by default.")
]
ServiceOption = Annotated[
    list[ServiceName] | None, typer.Option("--service", help="Only this service's; can be given several times.")
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
FileArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="A folder, or a path with {service} in it where there are several.")
]
Step = tuple[dict[str, Any], str]


def find_folder(data: Path | None) -> DataFolder:
    """Find the data folder that the user named, or the usual one."""
    return DataFolder(data or DEFAULT_FOLDER)


@contextmanager
def hold_alone(data: Path | None) -> Iterator[DataFolder]:
    """Have the data folder to oneself, where there is one: no suite runs on it meanwhile."""
    folder = find_folder(data)
    if data is None and not folder.path.exists():
        yield folder
        return
    with folder.hold():
        yield folder


def locate(folder: DataFolder, database: str | None, services: list[ServiceName] | None) -> list[ServiceDatabase]:
    """Find the databases of these services, or of all."""
    # Only these commands need the services: all others start quickly and do without them.
    from eas_control.databases import locate_databases

    found = locate_databases(folder, database, os.environ)
    return [each for each in found if not services or each.service in services]


def choose_for(file: str, databases: list[ServiceDatabase]) -> list[ServiceDatabase]:
    """Choose the database that a single file is a dump of."""
    from eas.database_admin.dump_file import DumpReader

    if len(databases) == 1 or "{service}" in file or file.endswith("/") or not Path(file).is_file():
        return databases
    reader = DumpReader(Path(file))
    reader.close()
    return [found for found in databases if found.service == reader.header.service] or databases


def do_each(databases: list[ServiceDatabase], step: Callable[[ServiceDatabase], Step], *, as_json: bool) -> None:
    """Do something with each database, and say what was done as soon as it is."""
    bodies = []
    for found in databases:
        body, line = step(found)
        bodies.append({"service": found.service, **body})
        if not as_json:
            open_console().print(plain(line), soft_wrap=True)
    if as_json:
        print_json({"services": bodies})
