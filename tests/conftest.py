"""Real servers, each started when the first test asks for it, and shared by all tests of a run."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from eas.signals import hear_signals
from tests.support.databases import KINDS, DatabasePool
from tests.support.mariadb import MariadbServer
from tests.support.mysql import MysqlServer
from tests.support.postgresql import PostgresqlServer
from tests.support.private_server import open_server
from tests.support.rabbitmq import RabbitmqServer

# A test that interrupts itself, or a program that it starts, would wait for ever where SIGINT is ignored.
hear_signals()

#: The kinds of database on which a test of logic runs; None: it needs none, or the test itself chooses.
_LOGIC = (None, "sqlite" if "sqlite" in KINDS else KINDS[0])

# A busy machine is no fault of the code.
settings.register_profile("eas", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=20)  # for `make unit`
settings.load_profile("eas")


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
def mysql_server() -> Iterator[MysqlServer]:
    """Shared: ask it for a database. A test that stops or kills its server opens one of its own."""
    with open_server(MysqlServer) as found:
        yield found


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[RabbitmqServer]:
    """Shared: ask it for a virtual host. A test that disturbs it leaves it running."""
    with open_server(RabbitmqServer) as found:
        yield found


@pytest.fixture(scope="session")
def _postgresql_pool(postgresql_server: PostgresqlServer) -> DatabasePool:
    return DatabasePool(postgresql_server.make_database)


@pytest.fixture(scope="session")
def _mariadb_pool(mariadb_server: MariadbServer) -> DatabasePool:
    return DatabasePool(mariadb_server.make_database)


@pytest.fixture(scope="session")
def _mysql_pool(mysql_server: MysqlServer) -> DatabasePool:
    return DatabasePool(mysql_server.make_database)


@pytest.fixture(params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Runs the test on each kind of database."""
    kind: str = request.param
    return kind


@pytest.fixture
def make_database(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Makes empty databases for services, and returns their URLs: the same one for the same name."""
    if database_kind == "sqlite":
        yield lambda service: f"sqlite:///{tmp_path}/{service}.db"
        return
    pool: DatabasePool = request.getfixturevalue(f"_{database_kind}_pool")
    taken: dict[str, str] = {}

    def take(service: str) -> str:
        if service not in taken:
            taken[service] = pool.take(service)
        return taken[service]

    yield take
    for service, url in taken.items():
        pool.give_back(service, url)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run tests of logic on SQLite alone.

    They are marked `sqlite_only`. A test of storage among them is marked `every_database`.
    """
    logic = [
        item
        for item in items
        if item.get_closest_marker("sqlite_only") and not item.get_closest_marker("every_database")
    ]
    repeated = [item for item in logic if _database_kind_of(item) not in _LOGIC]
    if repeated:
        config.hook.pytest_deselected(items=repeated)
        left_out = set(repeated)
        items[:] = [item for item in items if item not in left_out]


def _database_kind_of(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("database_kind") if callspec else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape lone surrogates in what a test has logged and printed: test processes cannot send them to each other."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report
