"""Versions that are pinned or removed, and the files that nobody needs any more."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Subquery, and_, delete, func, insert, or_, select, update

from eas.database.globs import match_glob
from eas_product_store.domain.removal import Protection, RetentionRule, Tally
from eas_product_store.domain.version import Version
from eas_product_store.storage.pieces import cut
from eas_product_store.storage.schema import CONDEMNED, GARBAGE, PRODUCTS, VERSIONS
from eas_product_store.storage.versions import VERSION_AND_NAME, make_version


class SqlRemovalTable:
    """Pins, removed versions and garbage, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def pin(self, version_id: int, pin: str | None) -> None:
        """Pin a version, or take the pin away."""
        self._connection.execute(update(VERSIONS).where(VERSIONS.c.version_id == version_id).values(pin=pin))

    def delete(self, version_ids: Collection[int], at: datetime, reason: str) -> None:
        """Remove versions; their bytes stay for now."""
        for chunk in cut(list(version_ids)):
            self._connection.execute(
                update(VERSIONS).where(VERSIONS.c.version_id.in_(chunk)).values(deleted_at=at, deletion=reason)
            )
            self._connection.execute(
                insert(CONDEMNED), [{"version_id": version_id, "deleted_at": at} for version_id in chunk]
            )

    def restore(self, version_id: int) -> None:
        """Take a removal back."""
        self._connection.execute(
            update(VERSIONS).where(VERSIONS.c.version_id == version_id).values(deleted_at=None, deletion=None)
        )
        self._connection.execute(delete(CONDEMNED).where(CONDEMNED.c.version_id == version_id))

    def find_condemned(self, before: datetime, limit: int) -> list[Version]:
        """Find versions that were removed before a time, are not pinned, and still have their bytes."""
        statement = (
            VERSION_AND_NAME.join(CONDEMNED, CONDEMNED.c.version_id == VERSIONS.c.version_id)
            .where(CONDEMNED.c.deleted_at < before, VERSIONS.c.pin.is_(None))
            .order_by(VERSIONS.c.version_id)
            .limit(limit)
        )
        return [make_version(row) for row in self._connection.execute(statement)]

    def purge(self, versions: Sequence[Version], at: datetime) -> int:
        """Make tombstones of versions, and garbage of files that no other version needs; tell how many files."""
        ids = [version.version_id for version in versions]
        for chunk in cut(ids):
            self._connection.execute(update(VERSIONS).where(VERSIONS.c.version_id.in_(chunk)).values(purged_at=at))
            self._connection.execute(delete(CONDEMNED).where(CONDEMNED.c.version_id.in_(chunk)))
        names = sorted({version.store_name for version in versions})
        needed = {
            name
            for chunk in cut(names)
            for name in self._connection.execute(
                select(VERSIONS.c.store_name).where(VERSIONS.c.store_name.in_(chunk), VERSIONS.c.purged_at.is_(None))
            ).scalars()
        }
        useless = [{"store_name": name} for name in names if name not in needed]
        if useless:
            self._connection.execute(insert(GARBAGE), useless)
        return len(useless)

    def list_garbage(self, limit: int) -> list[str]:
        """List files that no version needs."""
        return list(self._connection.execute(select(GARBAGE.c.store_name).limit(limit)).scalars())

    def forget_garbage(self, store_names: Collection[str]) -> None:
        """Forget files that are gone."""
        for chunk in cut(list(store_names)):
            self._connection.execute(delete(GARBAGE).where(GARBAGE.c.store_name.in_(chunk)))

    def count(self, rule: RetentionRule, protection: Protection, now: datetime) -> tuple[Tally, Tally]:
        """Tell what a rule removes, and what is spared."""
        found, spared = _apply(rule, protection)
        sums = []
        for condition in (~spared, spared):
            statement = select(func.count(), func.coalesce(func.sum(found.c.size), 0)).where(
                _is_due(found, rule, now), condition
            )
            versions, size = self._connection.execute(statement).one()
            sums.append(Tally(versions, int(size)))  # servers add up to a Decimal
        return sums[0], sums[1]

    def select(self, rule: RetentionRule, protection: Protection, now: datetime, limit: int) -> list[Version]:
        """List versions that a rule removes."""
        found, spared = _apply(rule, protection)
        due = select(found.c.version_id).where(_is_due(found, rule, now), ~spared).order_by(found.c.version_id)
        ids = due.limit(limit).subquery()  # MariaDB takes no limit directly within IN
        statement = VERSION_AND_NAME.where(VERSIONS.c.version_id.in_(select(ids.c.version_id)))
        return [make_version(row) for row in self._connection.execute(statement.order_by(VERSIONS.c.version_id))]


def _apply(rule: RetentionRule, protection: Protection) -> tuple[Subquery, ColumnElement[bool]]:
    """Number the versions that a rule speaks of, newest first in each product, and say which of them are spared."""
    newest = func.row_number().over(partition_by=VERSIONS.c.product_id, order_by=VERSIONS.c.version_id.desc())
    columns = (VERSIONS.c.version_id, VERSIONS.c.size, VERSIONS.c.created_at, VERSIONS.c.job_id)
    statement = (
        select(*columns, VERSIONS.c.passed_qc, VERSIONS.c.pin, newest.label("place"))
        .join(PRODUCTS, PRODUCTS.c.product_id == VERSIONS.c.product_id)
        .where(VERSIONS.c.deleted_at.is_(None))
    )
    if rule.directory is not None:
        statement = statement.where(match_glob(PRODUCTS.c.directory, rule.directory))
    if rule.semantic_type is not None:
        statement = statement.where(PRODUCTS.c.semantic_type == rule.semantic_type)
    if rule.judged is not None:
        statement = statement.where(or_(False, *(VERSIONS.c.passed_qc.is_(verdict) for verdict in rule.judged)))
    found = statement.subquery()
    is_read = and_(found.c.passed_qc.is_(True), found.c.job_id.in_(protection.spared_jobs))
    return found, or_(found.c.pin.is_not(None), func.coalesce(is_read, False))


def _is_due(found: Any, rule: RetentionRule, now: datetime) -> ColumnElement[bool]:
    due: ColumnElement[bool] = found.c.place > rule.keep_newest
    return due if rule.older_than is None else and_(due, found.c.created_at < now - rule.older_than)
