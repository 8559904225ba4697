"""The tables. Rows never leave `storage`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, ForeignKey, Index, Text, UniqueConstraint, false
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from eas.contracts.metadata import Metadata
from eas.contracts.products import MAX_DIRECTORY_LENGTH
from eas.database.types import Json, Key, UtcTime, ordered_text


class ProductStoreRow(SQLModel, registry=registry()):
    """Base of this service's tables; they share no metadata with another service's."""


class ProductRow(ProductStoreRow, table=True):
    """A product: a name that a task promises to fill.

    `planned` is false while the name is known from a version only, `rerun` is true where another task may have had it.
    """

    __tablename__ = "product"
    __table_args__ = (
        UniqueConstraint("directory", "filename", name="uq_product_name"),
        Index("ix_product_directory", "directory", "product_id"),
        Index("ix_product_job", "job_id", "product_id"),
        Index("ix_product_semantic_type", "semantic_type", "product_id"),
        {"sqlite_autoincrement": True},
    )

    product_id: int | None = Field(default=None, primary_key=True, sa_type=Key)
    directory: str = Field(sa_type=ordered_text(MAX_DIRECTORY_LENGTH))
    filename: str = Field(max_length=256)
    semantic_type: str = Field(max_length=256)
    mime_type: str | None = Field(default=None, max_length=128)
    generator_task_id: int = Field(sa_type=Key)
    job_id: int = Field(sa_type=Key)
    planned_at: datetime = Field(sa_type=UtcTime)
    planned: bool
    rerun: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    details: Metadata = Field(sa_type=Json)


class EarlierGeneratorRow(ProductStoreRow, table=True):
    """A task that does not hold the name of a product, any more or at all. It may store versions all the same."""

    __tablename__ = "earlier_generator"

    product_id: int = Field(sa_column=Column(Key, ForeignKey("product.product_id"), primary_key=True))
    task_id: int = Field(sa_column=Column(Key, primary_key=True, autoincrement=False))


class LostTasksRow(ProductStoreRow, table=True):
    """Ids of tasks that the scheduler does not know any more, after it was restored to an earlier moment."""

    __tablename__ = "lost_tasks"

    first_id: int = Field(sa_column=Column(Key, primary_key=True, autoincrement=False))
    end_id: int = Field(sa_type=Key)


class VersionRow(ProductStoreRow, table=True):
    """An immutable version of a product. Its bytes are in the archive under `store_name`."""

    __tablename__ = "version"
    __table_args__ = (
        UniqueConstraint("product_id", "attempt_id", name="uq_version_attempt"),
        Index("ix_version_attempt", "attempt_id", "version_id"),
        Index("ix_version_task", "task_id", "version_id"),
        Index("ix_version_job", "job_id", "version_id"),
        Index("ix_version_store_name", "store_name"),
        Index("ix_version_sha256", "sha256"),
        {"sqlite_autoincrement": True},
    )

    version_id: int | None = Field(default=None, primary_key=True, sa_type=Key)
    product_id: int = Field(foreign_key="product.product_id", sa_type=Key)
    attempt_id: int = Field(sa_type=Key)
    task_id: int = Field(sa_type=Key)
    job_id: int = Field(sa_type=Key)
    store_name: str = Field(max_length=128)
    md5: str = Field(max_length=32)
    sha256: str = Field(max_length=64)
    size: int = Field(sa_type=Key)
    mime_type: str = Field(max_length=128)
    created_at: datetime = Field(sa_type=UtcTime)
    passed_qc: bool | None = None
    adopted_from: int | None = Field(default=None, sa_type=Key)
    damaged_at: datetime | None = Field(default=None, sa_type=UtcTime)
    details: Metadata = Field(sa_type=Json)
    pin: str | None = Field(default=None, sa_type=Text)
    deleted_at: datetime | None = Field(default=None, sa_type=UtcTime)
    deletion: str | None = Field(default=None, sa_type=Text)
    purged_at: datetime | None = Field(default=None, sa_type=UtcTime)


class CondemnedRow(ProductStoreRow, table=True):
    """A version that was removed and whose bytes are still there, in case someone wants it back."""

    __tablename__ = "condemned"

    version_id: int = Field(sa_column=Column(Key, ForeignKey("version.version_id"), primary_key=True))
    deleted_at: datetime = Field(sa_type=UtcTime)


class GarbageRow(ProductStoreRow, table=True):
    """Bytes in the archive that no version needs. The row goes after them."""

    __tablename__ = "garbage"

    store_name: str = Field(primary_key=True, max_length=128)


class DamageRow(ProductStoreRow, table=True):
    """One finding of damaged bytes; it stays after they have healed. The digests are those of the whole bytes."""

    __tablename__ = "damage"
    __table_args__ = (
        Index("ix_damage_sha256", "sha256"),
        Index("ix_damage_custody", "custody"),
        {"sqlite_autoincrement": True},
    )

    damage_id: int | None = Field(default=None, primary_key=True, sa_type=Key)
    version_id: int = Field(foreign_key="version.version_id", sa_type=Key)
    store_name: str = Field(max_length=128)
    md5: str = Field(max_length=32)
    sha256: str = Field(max_length=64)
    size: int = Field(sa_type=Key)
    finding: str = Field(sa_type=Text)
    found_at: datetime = Field(sa_type=UtcTime)
    versions: int = Field(sa_type=Key)
    custody: str = Field(max_length=16)
    found_sha256: str | None = Field(default=None, max_length=64)
    found_size: int | None = Field(default=None, sa_type=Key)
    healed_at: datetime | None = Field(default=None, sa_type=UtcTime)


class QuotaRow(ProductStoreRow, table=True):
    """How much a directory and all below it may hold, and what the versions in it have together."""

    __tablename__ = "quota"

    directory: str = Field(primary_key=True, sa_type=ordered_text(MAX_DIRECTORY_LENGTH))
    max_bytes: int = Field(sa_type=Key)
    used_bytes: int = Field(sa_type=Key)


class VerdictRow(ProductStoreRow, table=True):
    """One verdict of quality control on one version. None is ever changed or removed."""

    __tablename__ = "verdict"
    __table_args__ = (Index("ix_verdict_version", "version_id", "verdict_id"), {"sqlite_autoincrement": True})

    verdict_id: int | None = Field(default=None, primary_key=True, sa_type=Key)
    version_id: int = Field(foreign_key="version.version_id", sa_type=Key)
    passed: bool
    author: str = Field(max_length=256)
    reason: str = Field(sa_type=Text)
    decided_at: datetime = Field(sa_type=UtcTime)


class UploadRow(ProductStoreRow, table=True):
    """An upload in pieces. Its bytes are in the archive under `upload_id` until it is a version."""

    __tablename__ = "upload"
    __table_args__ = (Index("ix_upload_touched", "touched_at"),)

    upload_id: str = Field(primary_key=True, max_length=32)
    deposit: dict[str, Any] = Field(sa_type=Json)
    size: int | None = Field(default=None, sa_type=Key)
    md5: str | None = Field(default=None, max_length=32)
    sha256: str | None = Field(default=None, max_length=64)
    touched_at: datetime = Field(sa_type=UtcTime)
    version_id: int | None = Field(default=None, sa_type=Key)


METADATA = ProductStoreRow.metadata
CONDEMNED = METADATA.tables["condemned"]
DAMAGES = METADATA.tables["damage"]
GARBAGE = METADATA.tables["garbage"]
QUOTAS = METADATA.tables["quota"]
UPLOADS = METADATA.tables["upload"]
PRODUCTS = METADATA.tables["product"]
EARLIER_GENERATORS = METADATA.tables["earlier_generator"]
LOST_TASKS = METADATA.tables["lost_tasks"]
VERSIONS = METADATA.tables["version"]
VERDICTS = METADATA.tables["verdict"]
