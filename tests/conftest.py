"""Real servers, each started when the first test asks for it, and shared by all tests of a run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.mariadb import MariadbServer
from tests.support.postgresql import PostgresqlServer
from tests.support.private_server import open_server
from tests.support.rabbitmq import RabbitmqServer


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """Shared: ask it for a database. A test that stops or kills its server opens one of its own."""
    with open_server(PostgresqlServer) as found:
        yield found


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariadbServer]:
    """Shared: ask it for a database. A test that stops or kills its server opens one of its own."""
    with open_server(MariadbServer) as found:
        yield found


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[RabbitmqServer]:
    """Shared: ask it for a virtual host. A test that disturbs it leaves it running."""
    with open_server(RabbitmqServer) as found:
        yield found
