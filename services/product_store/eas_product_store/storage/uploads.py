"""The table of uploads in pieces."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from eas.contracts.digests import Digests
from eas_product_store.domain.product import Promise
from eas_product_store.domain.upload import Upload
from eas_product_store.domain.version import Deposit
from eas_product_store.storage.pieces import cut
from eas_product_store.storage.schema import UPLOADS


class SqlUploadTable:
    """Uploads in pieces, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, upload_id: str) -> Upload | None:
        """Find one upload."""
        row = self._connection.execute(select(UPLOADS).where(UPLOADS.c.upload_id == upload_id)).first()
        return None if row is None else _make_upload(row)

    def add(self, upload: Upload) -> None:
        """Register an upload."""
        deposit = asdict(upload.deposit)
        deposit["promise"]["planned_at"] = deposit["promise"]["planned_at"].isoformat()
        self._connection.execute(
            insert(UPLOADS).values(
                upload_id=upload.upload_id,
                deposit=deposit,
                size=upload.size,
                md5=upload.digests.md5,
                sha256=upload.digests.sha256,
                touched_at=upload.touched_at,
            )
        )

    def complete(self, upload_id: str, version_id: int, size: int, at: datetime) -> None:
        """Remember which version an upload became."""
        self._connection.execute(
            update(UPLOADS)
            .where(UPLOADS.c.upload_id == upload_id)
            .values(version_id=version_id, size=size, touched_at=at)
        )

    def find_untouched(self, before: datetime) -> list[str]:
        """Find the uploads that were opened or completed before a time."""
        found = self._connection.execute(select(UPLOADS.c.upload_id).where(UPLOADS.c.touched_at < before))
        return list(found.scalars())

    def find_known(self, upload_ids: Collection[str]) -> set[str]:
        """Tell which of these uploads are registered and not complete."""
        return {
            found
            for chunk in cut(list(upload_ids))
            for found in self._connection.execute(
                select(UPLOADS.c.upload_id).where(UPLOADS.c.upload_id.in_(chunk), UPLOADS.c.version_id.is_(None))
            ).scalars()
        }

    def remove(self, upload_ids: Collection[str]) -> None:
        """Forget uploads."""
        for chunk in cut(list(upload_ids)):
            self._connection.execute(delete(UPLOADS).where(UPLOADS.c.upload_id.in_(chunk)))


def _make_upload(row: Row[Any]) -> Upload:
    promise = {**row.deposit["promise"], "planned_at": datetime.fromisoformat(row.deposit["promise"]["planned_at"])}
    return Upload(
        upload_id=row.upload_id,
        deposit=Deposit(**{**row.deposit, "promise": Promise(**promise)}),
        size=row.size,
        digests=Digests(md5=row.md5, sha256=row.sha256),
        touched_at=row.touched_at,
        version_id=row.version_id,
    )
