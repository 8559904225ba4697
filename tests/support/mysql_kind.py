"""What MariaDB and MySQL have in common as servers for tests."""

from __future__ import annotations

from abc import abstractmethod
from itertools import count
from pathlib import Path

from tests.support.private_server import PASSWORD, USER, PrivateServer


class MysqlKind(PrivateServer):
    """A server that speaks MySQL's protocol, in a temporary folder.

    Parameters
    ----------
    durable
        Wait for the disk at every commit, as in production. Even without, what is committed survives ``kill()``,
        which is not a power failure.
    settings
        Further settings of the server, such as ``max_connections=20``.
    """

    ACCOUNT = "mysql"

    def __init__(self) -> None:
        super().__init__()
        self._settings: dict[str, str | float] = {}
        self._numbers = count(1)

    @abstractmethod
    def query(self, statement: str, database: str = "mysql") -> str:
        """Run statements as superuser. Returns their rows as lines, with tabs between columns."""

    def make_database(self) -> str:
        """Make an empty database of utf8mb4. Returns its URL, with a user who may do anything there."""
        name = f"eas_{next(self._numbers)}"
        self.query(
            f"CREATE DATABASE {name} CHARACTER SET utf8mb4;"
            f"CREATE USER IF NOT EXISTS {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';"
            f"GRANT ALL ON {name}.* TO {USER}@'127.0.0.1'"
        )
        return f"mysql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    @property
    def _options(self) -> list[str]:
        return [f"--{name.replace('_', '-')}={value}" for name, value in self._settings.items()]

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _socket(self) -> Path:
        return self.folder / "socket"
