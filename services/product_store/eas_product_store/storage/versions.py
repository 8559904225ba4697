"""The table of versions."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, select, update

from eas.database.prepared import Prepared, PreparedInsertion
from eas_product_store.domain.product import Product, choose_mime_type
from eas_product_store.domain.selection import VersionSelection
from eas_product_store.domain.version import Deposit, Fingerprint, Version
from eas_product_store.storage.conditions import match_filename, match_metadata, without_index
from eas_product_store.storage.pieces import cut
from eas_product_store.storage.schema import GARBAGE, PRODUCTS, VERSIONS

VERSION_AND_NAME = select(VERSIONS, PRODUCTS.c.directory, PRODUCTS.c.filename, PRODUCTS.c.semantic_type).join(
    PRODUCTS, PRODUCTS.c.product_id == VERSIONS.c.product_id
)

# Built once: building a statement costs more than SQLite takes to run it.
_BY_ID = VERSION_AND_NAME.where(VERSIONS.c.version_id == bindparam("version_id"))
_BY_ATTEMPT = Prepared(
    VERSION_AND_NAME.where(
        VERSIONS.c.product_id == bindparam("product_id"), VERSIONS.c.attempt_id == bindparam("attempt_id")
    )
)
_INSERT = PreparedInsertion(
    VERSIONS,
    VERSIONS.c.version_id,
    *("product_id", "attempt_id", "task_id", "job_id", "store_name", "md5", "sha256", "size", "mime_type"),
    *("created_at", "details"),
)
_TWIN = Prepared(
    select(VERSIONS.c.store_name)
    .where(
        VERSIONS.c.sha256 == bindparam("sha256"),
        VERSIONS.c.size == bindparam("size"),
        VERSIONS.c.purged_at.is_(None),
        VERSIONS.c.damaged_at.is_(None),
    )
    .limit(1)
)
_LARGE_DIRECTORY = 10_000


class SqlVersionTable:
    """Versions, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, version_id: int) -> Version | None:
        """Find one version."""
        row = self._connection.execute(_BY_ID, {"version_id": version_id}).first()
        return None if row is None else make_version(row)

    def find(self, version_ids: Collection[int]) -> dict[int, Version]:
        """Find versions by id."""
        return {
            row.version_id: make_version(row)
            for chunk in cut(list(version_ids))
            for row in self._connection.execute(VERSION_AND_NAME.where(VERSIONS.c.version_id.in_(chunk)))
        }

    def find_by_attempt(self, product_id: int, attempt_id: int) -> Version | None:
        """Find the version that an attempt made of a product."""
        rows = _BY_ATTEMPT.fetch_named(self._connection, {"product_id": product_id, "attempt_id": attempt_id})
        return make_version(rows[0]) if rows else None

    def find_latest(self, name: tuple[str, str], *, accepted: bool) -> Version | None:
        """Find the newest version of a name, or the newest that quality control accepted."""
        statement = VERSION_AND_NAME.where(
            PRODUCTS.c.directory == name[0], PRODUCTS.c.filename == name[1], VERSIONS.c.deleted_at.is_(None)
        )
        if accepted:
            statement = statement.where(VERSIONS.c.passed_qc.is_(True))
        row = self._connection.execute(statement.order_by(VERSIONS.c.version_id.desc()).limit(1)).first()
        return None if row is None else make_version(row)

    def add(
        self, product: Product, deposit: Deposit, fingerprint: Fingerprint, store_name: str, created_at: datetime
    ) -> Version:
        """Register a version whose bytes are in the archive."""
        mime_type = choose_mime_type(deposit.mime_type, product.mime_type, product.filename)
        task_id = deposit.promise.generator_task_id
        values = {
            "product_id": product.product_id,
            "attempt_id": deposit.attempt_id,
            "task_id": task_id,
            "job_id": deposit.promise.job_id,
            "store_name": store_name,
            "md5": fingerprint.md5,
            "sha256": fingerprint.sha256,
            "size": fingerprint.size,
            "mime_type": mime_type,
            "created_at": created_at,
            "details": deposit.metadata,
        }
        return Version(
            version_id=_INSERT.execute(self._connection, values),
            product_id=product.product_id,
            directory=product.directory,
            filename=product.filename,
            semantic_type=product.semantic_type,
            mime_type=mime_type,
            attempt_id=deposit.attempt_id,
            task_id=task_id,
            job_id=deposit.promise.job_id,
            store_name=store_name,
            fingerprint=fingerprint,
            created_at=created_at,
            passed_qc=None,
            damaged=False,
            metadata=deposit.metadata,
        )

    def find_twin(self, fingerprint: Fingerprint) -> str | None:
        """Find where the same bytes are in the archive, whole as far as is known, for another version."""
        found = _TWIN.fetch(self._connection, {"sha256": fingerprint.sha256, "size": fingerprint.size})
        return found[0][0] if found else None

    def adopt(self, product: Product, source: Version, deposit: Deposit, created_at: datetime) -> Version:
        """Register a version with the bytes of another."""
        made = self.add(product, deposit, source.fingerprint, source.store_name, created_at)
        self._connection.execute(
            update(VERSIONS).where(VERSIONS.c.version_id == made.version_id).values(adopted_from=source.version_id)
        )
        return replace(made, adopted_from=source.version_id)

    def select(self, selection: VersionSelection, after: int, limit: int) -> list[Version]:
        """List versions by id, from the first beyond `after`."""
        statement = VERSION_AND_NAME.where(VERSIONS.c.version_id > after)
        for column, value in (
            (VERSIONS.c.product_id, selection.product_id),
            (VERSIONS.c.attempt_id, selection.attempt_id),
            (VERSIONS.c.task_id, selection.task_id),
            (VERSIONS.c.job_id, selection.job_id),
            (VERSIONS.c.passed_qc, selection.passed_qc),
        ):
            if value is not None:
                statement = statement.where(column == value)
        if selection.directory is not None:
            statement = statement.where(self._choose_directory(selection.directory))
        if selection.semantic_type is not None:
            statement = statement.where(without_index(PRODUCTS.c.semantic_type) == selection.semantic_type)
        if selection.glob is not None:
            statement = statement.where(match_filename(PRODUCTS.c.filename, selection.glob))
        if selection.damaged is not None:
            found_at = VERSIONS.c.damaged_at
            statement = statement.where(found_at.is_not(None) if selection.damaged else found_at.is_(None))
        if selection.since is not None:
            statement = statement.where(VERSIONS.c.created_at >= selection.since)
        if selection.until is not None:
            statement = statement.where(VERSIONS.c.created_at < selection.until)
        for condition in selection.metadata:
            statement = statement.where(match_metadata(VERSIONS.c.details, condition))
        statement = statement.order_by(VERSIONS.c.version_id).limit(limit)
        return [make_version(row) for row in self._connection.execute(statement)]

    def _choose_directory(self, directory: str) -> ColumnElement[bool]:
        """Make a condition that is looked up first only where the directory is small.

        All versions of a large one would be sorted for each page; it is quicker to go through versions by id and to
        look at the directory of each.
        """
        some = select(PRODUCTS.c.product_id).where(PRODUCTS.c.directory == directory).limit(_LARGE_DIRECTORY).subquery()
        if self._connection.execute(select(func.count()).select_from(some)).scalar_one() < _LARGE_DIRECTORY:
            return PRODUCTS.c.directory == directory
        return without_index(PRODUCTS.c.directory) == directory

    def find_store_names(self, names: Iterable[str]) -> set[str]:
        """Tell which of these files in the archive belong to a version."""
        return {
            found
            for chunk in cut(list(names))
            for found in self._connection.execute(
                select(VERSIONS.c.store_name).where(VERSIONS.c.store_name.in_(chunk))
            ).scalars()
        }

    def find_orphans(self, names: Collection[str]) -> set[str]:
        """Tell which of these files in the archive nothing needs: no version, and not the collector of garbage."""
        return set(names) - {
            found
            for chunk in cut(list(names))
            for found in self._connection.execute(
                select(VERSIONS.c.store_name)
                .where(VERSIONS.c.store_name.in_(chunk), VERSIONS.c.purged_at.is_(None))
                .union(select(GARBAGE.c.store_name).where(GARBAGE.c.store_name.in_(chunk)))
            ).scalars()
        }


def make_version(row: Any) -> Version:
    """Read a row of versions with the names of their products."""
    return Version(
        version_id=row.version_id,
        product_id=row.product_id,
        directory=row.directory,
        filename=row.filename,
        semantic_type=row.semantic_type,
        mime_type=row.mime_type,
        attempt_id=row.attempt_id,
        task_id=row.task_id,
        job_id=row.job_id,
        store_name=row.store_name,
        fingerprint=Fingerprint(row.md5, row.sha256, row.size),
        created_at=row.created_at,
        passed_qc=row.passed_qc,
        damaged=row.damaged_at is not None,
        metadata=row.details,
        adopted_from=row.adopted_from,
        pin=row.pin,
        deleted_at=row.deleted_at,
        deletion=row.deletion,
        purged_at=row.purged_at,
    )
