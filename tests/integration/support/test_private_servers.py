"""The servers of the tests: they keep their data whatever happens to them, and end with who started them."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.mariadb import MariadbServer
from tests.support.mysql import MysqlServer, find_mysqld, needs_mysql
from tests.support.postgresql import PostgresqlServer
from tests.support.private_server import MissingServerError, PrivateServer, open_server
from tests.support.rabbitmq import RabbitmqServer

ROOT = Path(__file__).parents[3]
PARENT = """
import json, sys
from tests.support.{module} import {name}
server = {name}()
server.start()
print(json.dumps([server.processes(), str(server.folder)]), flush=True)
sys.stdin.read()
"""


def interrupt(server: PrivateServer) -> None:
    """All that can happen to a server, one after the other."""
    port = server.port
    server.kill()
    assert (server.running, server.processes()) == (False, [])
    server.start()
    server.stop()
    assert (server.running, server.processes()) == (False, [])
    server.start()
    assert (server.running, server.port) == (True, port)


def test_postgresql_keeps_its_data() -> None:
    with open_server(PostgresqlServer) as server:
        first, second = (url.rpartition("/")[2] for url in (server.make_database(), server.make_database()))
        server.query("CREATE TABLE kept (value text); INSERT INTO kept VALUES ('a'), ('ü')", first)

        interrupt(server)

        assert server.query("SELECT * FROM kept ORDER BY value", first) == "a\nü"
        assert server.query("SELECT count(*) FROM pg_tables WHERE tablename = 'kept'", second) == "0"


def test_mariadb_keeps_its_data() -> None:
    with open_server(MariadbServer) as server:
        first, second = (url.rpartition("/")[2] for url in (server.make_database(), server.make_database()))
        server.query("CREATE TABLE kept (value text); INSERT INTO kept VALUES ('a'), ('😀')", first)

        interrupt(server)

        assert server.query("SELECT value FROM kept ORDER BY value", first) == "a\n😀"
        assert server.query("SHOW TABLES", second) == ""


@needs_mysql
def test_mysql_keeps_its_data() -> None:
    with open_server(MysqlServer) as server:
        first, second = (url.rpartition("/")[2] for url in (server.make_database(), server.make_database()))
        server.query("CREATE TABLE kept (value text); INSERT INTO kept VALUES ('a'), ('😀')", first)

        interrupt(server)

        assert server.query("SELECT value FROM kept ORDER BY value COLLATE utf8mb4_0900_bin", first) == "a\n😀"
        assert server.query("SHOW TABLES", second) == ""


def test_durable_databases_wait_for_the_disk(
    postgresql_server: PostgresqlServer, mariadb_server: MariadbServer
) -> None:
    with PostgresqlServer(durable=True) as server:
        assert (postgresql_server.query("SHOW fsync"), server.query("SHOW fsync")) == ("off", "on")
    flush = "SELECT @@innodb_flush_log_at_trx_commit"
    with MariadbServer(durable=True) as other:
        assert (mariadb_server.query(flush), other.query(flush)) == ("2", "1")


@needs_mysql
def test_durable_mysql_waits_for_the_disk(mysql_server: MysqlServer) -> None:
    flush = "SELECT @@innodb_flush_log_at_trx_commit, @@sync_binlog, @@innodb_flush_method"
    with MysqlServer(durable=True) as server:
        assert mysql_server.query(flush) == "2\t0\tnosync"
        assert server.query(flush).startswith("1\t1\t")
        assert not server.query(flush).endswith("nosync")


@pytest.mark.parametrize(("says", "is_it"), [("Ver 9.7.4 for Linux", True), ("Ver 10.11.6-MariaDB", False)])
def test_the_program_of_mariadb_is_not_taken_for_mysql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, is_it: bool
) -> None:
    program = tmp_path / "mysqld"
    program.write_text(f"#!/bin/sh\necho 'mysqld  {says}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (find_mysqld() == program) is is_it


def test_rabbitmq_keeps_its_queues_until_it_is_reset(rabbitmq_server: RabbitmqServer) -> None:
    vhost = rabbitmq_server.make_vhost().rpartition("/")[2]
    rabbitmq_server.evaluate(
        f'{{new, _}} = rabbit_amqqueue:declare(rabbit_misc:r(<<"{vhost}">>, queue, <<"kept">>), true, false, [], none,'
        '<<"eas">>)'
    )

    def queues() -> str:
        return rabbitmq_server.control("list_queues", "--vhost", vhost, "--no-table-headers", "name").strip()

    interrupt(rabbitmq_server)
    assert queues() == "kept"

    rabbitmq_server.reset()
    assert queues() == ""


def test_a_suspended_server_answers_when_it_is_resumed(rabbitmq_server: RabbitmqServer) -> None:
    def shake_hands() -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", rabbitmq_server.port))
        connection.sendall(b"AMQP\x00\x00\x09\x01")
        connection.settimeout(0.3)
        return connection

    rabbitmq_server.suspend()
    try:
        with shake_hands() as connection:
            with pytest.raises(TimeoutError):
                connection.recv(1)
            rabbitmq_server.resume()
            connection.settimeout(30)
            assert connection.recv(1)
    finally:
        rabbitmq_server.resume()


@pytest.mark.parametrize(
    ("kind", "module"),
    [
        (PostgresqlServer, "postgresql"),
        (MariadbServer, "mariadb"),
        pytest.param(MysqlServer, "mysql", marks=needs_mysql),
        (RabbitmqServer, "rabbitmq"),
    ],
)
def test_a_server_ends_with_a_killed_parent(
    kind: Callable[[], PrivateServer], module: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(f"{module}_server")  # skips where the programs are missing
    program = PARENT.format(module=module, name=getattr(kind, "__name__"))  # noqa: B009
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        processes, folder = json.loads(parent.stdout.readline())
        parent.kill()
    try:
        deadline = time.monotonic() + 30
        while left := [process for process in processes if runs(process)]:
            assert time.monotonic() < deadline, left
            time.sleep(0.05)
        assert processes
    finally:
        shutil.rmtree(folder)


def runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_missing_programs_skip_a_test_and_fail_it_in_continuous_integration(monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> PrivateServer:
        raise MissingServerError("mariadbd", "mariadb-server")

    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install mariadb-server"), open_server(make):
        pass
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="mariadbd is not there"), open_server(make):
        pass
