"""The catalogue: the tables together, and the way to their transactions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, select

from eas.database.committer import Database
from eas_product_store.storage.damages import SqlDamageTable
from eas_product_store.storage.ids import SqlIdTable
from eas_product_store.storage.ledger import SqlLedgerTable
from eas_product_store.storage.products import SqlProductTable
from eas_product_store.storage.quotas import SqlQuotaTable
from eas_product_store.storage.removals import SqlRemovalTable
from eas_product_store.storage.schema import PRODUCTS
from eas_product_store.storage.uploads import SqlUploadTable
from eas_product_store.storage.versions import SqlVersionTable

T = TypeVar("T")


class SqlCatalog:
    """The tables, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self.products = SqlProductTable(connection)
        self.versions = SqlVersionTable(connection)
        self.ledger = SqlLedgerTable(connection)
        self.uploads = SqlUploadTable(connection)
        self.removals = SqlRemovalTable(connection)
        self.quotas = SqlQuotaTable(connection)
        self.damages = SqlDamageTable(connection)
        self.ids = SqlIdTable(connection)


class DatabaseCatalog:
    """The way to transactions on the catalogue's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, command: Callable[[SqlCatalog], T]) -> T:
        """Run a command; what it did is durable when this returns. One that raises changes nothing."""
        return await self._database.write(lambda connection: command(SqlCatalog(connection)))

    async def read(self, query: Callable[[SqlCatalog], T]) -> T:
        """Run a query on a snapshot."""
        return await self._database.read(lambda connection: query(SqlCatalog(connection)))

    async def check(self) -> None:
        """Raise where the tables cannot be read."""
        await self._database.read(lambda connection: connection.execute(select(PRODUCTS.c.product_id).limit(1)).all())
