"""The table of damages: what was found, where it is now, and whether it has healed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from eas.database.prepared import Prepared
from eas_product_store.domain.damage import Custody, Damage
from eas_product_store.domain.version import Fingerprint, Version
from eas_product_store.storage.schema import DAMAGES, VERSIONS

# Asked once for each version that is stored.
_OPEN = Prepared(
    select(DAMAGES.c.damage_id)
    .where(DAMAGES.c.sha256 == bindparam("sha256"), DAMAGES.c.size == bindparam("size"), DAMAGES.c.healed_at.is_(None))
    .limit(1)
)


class SqlDamageTable:
    """Damages, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def mark(self, version: Version, finding: str, at: datetime) -> Damage | None:
        """Remember that the bytes of a version are damaged; None where they are not its bytes any more, or it is known.

        All versions that share the bytes are damaged. What was removed in between is not: its bytes had to go.
        """
        sharing = (VERSIONS.c.store_name == version.store_name, VERSIONS.c.purged_at.is_(None))
        marked = self._connection.execute(
            update(VERSIONS).where(*sharing, VERSIONS.c.damaged_at.is_(None)).values(damaged_at=at)
        ).rowcount
        if not marked:
            return None
        values = {
            "version_id": version.version_id,
            "store_name": version.store_name,
            "md5": version.fingerprint.md5,
            "sha256": version.fingerprint.sha256,
            "size": version.fingerprint.size,
            "finding": finding,
            "found_at": at,
            "versions": marked,
            "custody": Custody.PENDING.value,
        }
        key = self._connection.execute(insert(DAMAGES), values).inserted_primary_key
        assert key is not None  # noqa: S101 - a single-row insert into a table with a key
        return Damage(
            damage_id=key[0],
            version_id=version.version_id,
            store_name=version.store_name,
            expected=version.fingerprint,
            finding=finding,
            found_at=at,
            versions=marked,
            custody=Custody.PENDING,
        )

    def settle(self, damage_id: int, custody: Custody, sha256: str | None, size: int | None) -> None:
        """Remember where damaged bytes are, and what they are."""
        values = {"custody": custody.value, "found_sha256": sha256, "found_size": size}
        self._connection.execute(update(DAMAGES).where(DAMAGES.c.damage_id == damage_id).values(values))

    def heal(self, fingerprint: Fingerprint, place: str, at: datetime) -> bool:
        """Give all damaged versions of these bytes a place where the bytes are whole, and tell if there were any."""
        if not _OPEN.fetch(self._connection, {"sha256": fingerprint.sha256, "size": fingerprint.size}):
            return False
        same = (VERSIONS.c.sha256 == fingerprint.sha256, VERSIONS.c.size == fingerprint.size)
        ill = (VERSIONS.c.damaged_at.is_not(None), VERSIONS.c.purged_at.is_(None))
        self._connection.execute(update(VERSIONS).where(*same, *ill).values(store_name=place, damaged_at=None))
        same = (DAMAGES.c.sha256 == fingerprint.sha256, DAMAGES.c.size == fingerprint.size)
        self._connection.execute(update(DAMAGES).where(*same, DAMAGES.c.healed_at.is_(None)).values(healed_at=at))
        return True

    def withdraw(self, damage: Damage) -> None:
        """Take a finding back: the bytes that it speaks of are whole."""
        self._connection.execute(
            update(VERSIONS).where(VERSIONS.c.store_name == damage.store_name).values(damaged_at=None)
        )
        self._connection.execute(DAMAGES.delete().where(DAMAGES.c.damage_id == damage.damage_id))

    def find_pending(self) -> list[Damage]:
        """Find the damages whose bytes were not seen into quarantine."""
        statement = select(DAMAGES).where(DAMAGES.c.custody == Custody.PENDING.value).order_by(DAMAGES.c.damage_id)
        return [_make_damage(row) for row in self._connection.execute(statement)]

    def select(self, after: int, limit: int, *, healed: bool | None = None) -> list[Damage]:
        """List damages by id, from the first beyond `after`."""
        statement = select(DAMAGES).where(DAMAGES.c.damage_id > after)
        if healed is not None:
            statement = statement.where(DAMAGES.c.healed_at.is_not(None) if healed else DAMAGES.c.healed_at.is_(None))
        return [
            _make_damage(row) for row in self._connection.execute(statement.order_by(DAMAGES.c.damage_id).limit(limit))
        ]


def _make_damage(row: Row[Any]) -> Damage:
    return Damage(
        damage_id=row.damage_id,
        version_id=row.version_id,
        store_name=row.store_name,
        expected=Fingerprint(row.md5, row.sha256, row.size),
        finding=row.finding,
        found_at=row.found_at,
        versions=row.versions,
        custody=Custody(row.custody),
        found_sha256=row.found_sha256,
        found_size=row.found_size,
        healed_at=row.healed_at,
    )
