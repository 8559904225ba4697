"""PostgreSQL for tests."""

from __future__ import annotations

import signal
import subprocess
from itertools import count
from pathlib import Path

from tests.support.private_server import PASSWORD, USER, Command, PrivateServer


class PostgresqlServer(PrivateServer):
    """PostgreSQL in a temporary folder.

    Parameters
    ----------
    durable
        Wait for the disk at every commit, as in production. Even without, what is committed survives ``kill()``,
        which is not a power failure.
    settings
        Further settings of the server, such as ``max_connections=20``.
    """

    PACKAGE = "postgresql"
    ACCOUNT = "postgres"
    STOP = signal.SIGINT  # ends sessions; SIGTERM would wait for them

    def __init__(self, *, durable: bool = False, **settings: str | float) -> None:
        self._programs = {
            name: self._find_program(name, "/usr/lib/postgresql/*/bin")
            for name in ("postgres", "initdb", "pg_isready", "psql")
        }
        super().__init__()
        self._settings: dict[str, str | float] = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "dynamic_shared_memory_type": "mmap",
            "shared_buffers": "32MB",
        }
        if not durable:
            self._settings["fsync"] = "off"  # and not synchronous_commit: kill() would lose what was committed
        self._settings |= settings
        self._numbers = count(1)

    def make_database(self, options: str = "") -> str:
        """Make an empty database, with these options of CREATE DATABASE. Returns its URL, with a user who owns it."""
        name = f"eas_{next(self._numbers)}"
        self.query(f"CREATE DATABASE {name} OWNER {USER} {options}")
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    def query(self, statement: str, database: str = "postgres") -> str:
        """Run a statement as superuser. Returns its rows as lines, with ``|`` between columns."""
        connection = f"postgresql://{self.ACCOUNT}:{PASSWORD}@127.0.0.1:{self.port}/{database}"
        options = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
        return self._run([self._programs["psql"], *options, f"--dbname={connection}", f"--command={statement}"]).strip()

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _prepare(self) -> None:
        password = self._write("password", PASSWORD, secret=True)
        self._run(
            [
                self._programs["initdb"],
                f"--pgdata={self._data}",
                f"--username={self.ACCOUNT}",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ]
        )
        # A server on its own, without a port, gives the user the first time.
        statement = f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'\n"
        self._run([self._programs["postgres"], "--single", "-D", self._data, "-F", "postgres"], statement)

    def _launch(self) -> None:
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        self._spawn([self._programs["postgres"], "-D", self._data, *settings])

    def _answers(self) -> bool:
        address = ["--host=127.0.0.1", f"--port={self.port}"]
        command: Command = [self._programs["pg_isready"], "--quiet", *address, "--timeout=5"]
        return subprocess.run(command, env=self._environment(), check=False).returncode == 0
