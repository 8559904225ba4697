"""What MySQL has, and MariaDB has not."""

from __future__ import annotations

import pytest

from eas.contracts.errors import UnavailableError
from eas.database.committer import Database
from eas.database.engines import open_engine
from eas.database.migrations import list_revisions, upgrade_schema
from eas.database.servers import explained
from eas_product_store.runtime import MIGRATIONS
from tests.support.mysql import MysqlServer, needs_mysql
from tests.support.private_server import USER

pytestmark = needs_mysql


def test_passwords_are_told_as_mysql_wants_them(mysql_server: MysqlServer) -> None:
    url = mysql_server.make_database()
    assert mysql_server.query("SELECT DISTINCT plugin FROM user WHERE user = 'eas'") == "caching_sha2_password"
    mysql_server.query("FLUSH PRIVILEGES")  # which makes the server forget whom it has let in
    engine = open_engine(url, writer=False)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Ssl_version'").one()[1].startswith("TLS")
    engine.dispose()


def test_a_database_may_have_the_longest_name_that_there_is(mysql_server: MysqlServer) -> None:
    url = mysql_server.make_database()
    name = "long_name_" * 6 + "1234"
    mysql_server.query(f"CREATE DATABASE {name}; GRANT ALL ON {name}.* TO {USER}@'127.0.0.1'")
    assert upgrade_schema(f"{url.rpartition('/')[0]}/{name}", MIGRATIONS) == (None, list_revisions(MIGRATIONS)[0])


async def test_a_server_that_its_administrator_took_offline_is_away(mysql_server: MysqlServer) -> None:
    url = mysql_server.make_database()
    mysql_server.query(
        "CREATE TABLE alembic_version (version_num VARCHAR(32)); INSERT INTO alembic_version VALUES ('1')",
        url.rpartition("/")[2],
    )
    database = Database(url)
    await database.start()
    try:
        assert await database.write(lambda connection: connection.exec_driver_sql("SELECT 1").scalar_one()) == 1
        mysql_server.query("SET GLOBAL offline_mode = ON")
        try:
            with pytest.raises(UnavailableError):
                await database.write(lambda connection: connection.exec_driver_sql("SELECT 2").scalar_one())
            with pytest.raises(UnavailableError), explained(url):
                open_engine(url, writer=False).connect()
        finally:
            mysql_server.query("SET GLOBAL offline_mode = OFF")
        assert await database.write(lambda connection: connection.exec_driver_sql("SELECT 3").scalar_one()) == 3
    finally:
        await database.stop()
