"""The table of quotas."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select, update

from eas.database.prepared import Prepared, PreparedForKeys
from eas_product_store.domain.quota import Quota, list_folders
from eas_product_store.storage.schema import PRODUCTS, QUOTAS, VERSIONS

_FIND = PreparedForKeys(lambda keys: select(QUOTAS).where(QUOTAS.c.directory.in_(keys)))
_ADD = Prepared(
    update(QUOTAS)
    .where(QUOTAS.c.directory == bindparam("which"))
    .values(used_bytes=QUOTAS.c.used_bytes + bindparam("more"))
)


class SqlQuotaTable:
    """Quotas, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, directory: str) -> list[Quota]:
        """Find the quotas of a directory and of those that it is in."""
        return [Quota(*row) for row in _FIND.fetch(self._connection, list_folders(directory))]

    def count(self, quota: Quota, more: int) -> None:
        """Count bytes that came, or with a minus went."""
        _ADD.execute(self._connection, {"which": quota.directory, "more": more})

    def put(self, directory: str, max_bytes: int) -> Quota:
        """Set a quota; what is there is counted once."""
        below = f"{directory}/"
        counted = self._connection.execute(
            select(func.coalesce(func.sum(VERSIONS.c.size), 0))
            .join(PRODUCTS, PRODUCTS.c.product_id == VERSIONS.c.product_id)
            .where(
                or_(PRODUCTS.c.directory == directory, func.substr(PRODUCTS.c.directory, 1, len(below)) == below),
                VERSIONS.c.purged_at.is_(None),
            )
        ).scalar_one()
        used = int(counted)  # servers add up to a Decimal
        self.remove(directory)
        self._connection.execute(insert(QUOTAS).values(directory=directory, max_bytes=max_bytes, used_bytes=used))
        return Quota(directory, max_bytes, used)

    def remove(self, directory: str) -> bool:
        """Take a quota away, and tell whether there was one."""
        return bool(self._connection.execute(delete(QUOTAS).where(QUOTAS.c.directory == directory)).rowcount)

    def list_all(self) -> list[Quota]:
        """List all quotas."""
        return [Quota(*row) for row in self._connection.execute(select(QUOTAS).order_by(QUOTAS.c.directory))]
