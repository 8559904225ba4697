"""MariaDB for tests."""

from __future__ import annotations

import subprocess

from tests.support.mysql_kind import MysqlKind
from tests.support.private_server import Command


class MariadbServer(MysqlKind):
    """MariaDB in a temporary folder; see `MysqlKind`."""

    PACKAGE = "mariadb-server"

    def __init__(self, *, durable: bool = False, **settings: str | float) -> None:
        self._programs = {
            name: self._find_program(name, "/usr/sbin", "/usr/bin")
            for name in ("mariadbd", "mariadb-install-db", "mariadb-admin", "mariadb")
        }
        super().__init__()
        self._settings = {
            "bind_address": "127.0.0.1",
            "port": self.port,
            "socket": str(self._socket),
            "pid_file": str(self.folder / "pid"),
            "datadir": str(self._data),
            "skip_name_resolve": "on",
            "innodb_buffer_pool_size": "32M",
            "innodb_log_file_size": "32M",
            "performance_schema": "off",
        }
        if not durable:
            self._settings |= {"innodb_flush_log_at_trx_commit": 2, "innodb_flush_method": "nosync"}
        self._settings |= settings

    def query(self, statement: str, database: str = "mysql") -> str:
        """Run statements as superuser. Returns their rows as lines, with tabs between columns."""
        options = ["--default-character-set=utf8mb4", "--batch", "--skip-column-names"]
        return self._run([self._programs["mariadb"], *self._as_root, *options, database], statement).strip()

    @property
    def _as_root(self) -> list[str]:
        return ["--no-defaults", f"--socket={self._socket}", "--user=root"]

    def _prepare(self) -> None:
        self._run(
            [
                self._programs["mariadb-install-db"],
                "--no-defaults",
                f"--datadir={self._data}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
                "--innodb-flush-method=nosync",
            ]
        )

    def _launch(self) -> None:
        self._spawn([self._programs["mariadbd"], "--no-defaults", *self._options])

    def _answers(self) -> bool:
        command: Command = [self._programs["mariadb-admin"], *self._as_root, "--connect-timeout=5", "--silent", "ping"]
        return subprocess.run(command, env=self._environment(), capture_output=True, check=False).returncode == 0
