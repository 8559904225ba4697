"""MySQL for tests."""

from __future__ import annotations

import shutil
import socket
import subprocess
from contextlib import closing
from pathlib import Path

import pymysql
import pytest
from pymysql.constants import CLIENT

from tests.support.mysql_kind import MysqlKind
from tests.support.private_server import MissingServerError


def find_mysqld() -> Path | None:
    """Find MySQL's server on the path or in ``/usr/sbin``. None if there is none: MariaDB's has this name, too."""
    for found in (shutil.which("mysqld"), shutil.which("mysqld", path="/usr/sbin")):
        if found:
            says = subprocess.run([found, "--no-defaults", "--version"], capture_output=True, text=True, check=False)
            if says.returncode == 0 and "MariaDB" not in says.stdout:
                return Path(found)
    return None


needs_mysql = pytest.mark.skipif(find_mysqld() is None, reason="MySQL is tested where it is there")


class MysqlServer(MysqlKind):
    """MySQL in a temporary folder; see `MysqlKind`."""

    PACKAGE = "mysql-server"

    def __init__(self, *, durable: bool = False, **settings: str | float) -> None:
        program = find_mysqld()
        if program is None:
            raise MissingServerError("MySQL's mysqld", self.PACKAGE)
        self._program = program
        super().__init__()
        self._settings = {
            "bind_address": "127.0.0.1",
            "port": self.port,
            "socket": str(self._socket),
            "pid_file": str(self.folder / "pid"),
            "datadir": str(self._data),
            "mysqlx": "off",
            "skip_name_resolve": "on",
            "innodb_buffer_pool_size": "32M",
            "innodb_redo_log_capacity": "32M",
            "performance_schema": "off",
        }
        if not durable:
            self._settings |= {
                "innodb_flush_log_at_trx_commit": 2,
                "innodb_flush_method": "nosync",
                "sync_binlog": 0,
            }
        self._settings |= settings

    def query(self, statement: str, database: str = "mysql") -> str:
        """Run statements as superuser. Returns their rows as lines, with tabs between columns."""
        lines: list[str] = []
        with closing(self._connect(database)) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            while True:
                lines += ["\t".join(map(str, row)) for row in cursor.fetchall()]
                if not cursor.nextset():
                    break
            connection.commit()
        return "\n".join(lines)

    def _connect(self, database: str | None = None) -> pymysql.Connection:
        return pymysql.connect(
            unix_socket=str(self._socket),
            user="root",
            database=database,
            charset="utf8mb4",
            connect_timeout=5,
            client_flag=CLIENT.MULTI_STATEMENTS,
        )

    def _prepare(self) -> None:
        self._run(
            [
                self._program,
                "--no-defaults",
                "--initialize-insecure",
                f"--datadir={self._data}",
                "--innodb-redo-log-capacity=32M",
                "--innodb-flush-method=nosync",
            ]
        )

    def _launch(self) -> None:
        self._spawn([self._program, "--no-defaults", *self._options])

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as probe:  # where nobody listens, the driver leaves its own open
                probe.connect(str(self._socket))
            self._connect().close()
        except (OSError, pymysql.MySQLError):
            return False
        return True
