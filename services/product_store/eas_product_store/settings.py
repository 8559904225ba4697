"""Settings of the product store, from the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from eas.amqp.settings import BrokerChoice
from eas.database.engines import SQLITE_CACHE_MB


class ProductStoreSettings(BrokerChoice):
    """Read from ``EAS_PRODUCT_STORE_*`` where they are not given."""

    model_config = SettingsConfigDict(env_prefix="EAS_PRODUCT_STORE_", frozen=True)

    database_url: str = Field(
        default="sqlite:///data/product_store.db", description="URL of the database with the catalogue."
    )
    sqlite_cache_mb: float = Field(
        default=SQLITE_CACHE_MB,
        ge=1,
        le=65536,
        description="Page cache of a SQLite database in memory; servers have their own settings [MB].",
    )
    archive: Path | str = Field(
        default=Path("data/products"), description="Folder for the bytes of all versions, or `s3://bucket/prefix`."
    )
    spool: Path = Field(
        default=Path("data/spool"),
        description="Folder for bytes on their way to a bucket. Preserve it together with the catalogue.",
    )
    s3_endpoint: str | None = Field(
        default=None, description="Address of the object storage; default: `AWS_ENDPOINT_URL`, then the address of AWS."
    )
    s3_region: str | None = Field(default=None, description="Region of the object storage; default: `AWS_REGION`.")
    tokens_file: Path | None = Field(
        default=None,
        description="File with the tokens of all callers. Without it, everyone who can reach the service may call it.",
    )
    host: str = Field(default="127.0.0.1", description="The address to listen on.")
    port: int = Field(default=8322, ge=0, le=65535, description="The port to listen on; 0 selects a free port.")
    max_version_bytes: int = Field(default=1 << 40, gt=0, description="Maximum size of one version [bytes].")
    upload_hours: float = Field(
        default=24.0, gt=0, description="An upload in pieces is deleted this long after its last byte [h]."
    )
    grace_hours: float = Field(
        default=168.0, ge=0, description="Grace period: the bytes of removed versions are purged after this time [h]."
    )
    tidy_seconds: float = Field(
        default=60.0, gt=0, description="Interval of the clean-up of versions, uploads and files [s]."
    )
    scrub_mb_per_second: float = Field(
        default=10.0,
        ge=0,
        description="Maximum rate at which the scrub reads stored bytes; 0 disables the scrub [MB/s].",
    )
    preview_processes: int = Field(default=2, ge=1, le=64, description="Number of processes that make previews.")
    preview_memory_mb: int = Field(
        default=2048, ge=512, description="Memory limit of a process that makes previews [MB]."
    )
    preview_seconds: float = Field(default=30.0, gt=0, description="Time limit for a preview [s].")
    preview_max_mb: int = Field(
        default=256, ge=1, description="Of versions above this size, a preview shows only the beginning, as text [MB]."
    )
    ids_patience_seconds: float = Field(
        default=5.0,
        ge=0,
        description="After a start, new versions wait this long for the highest version id of the scheduler; 0 does "
        "not wait. After a restore they wait without a limit [s].",
    )
    archive_threads: int = Field(default=8, ge=1, le=256, description="Number of threads that read and write files.")

    @field_validator("archive")
    @classmethod
    def _check_archive(cls, archive: Path | str) -> Path | str:
        """Take a folder for a folder, and no other address than that of a bucket."""
        scheme, found, rest = str(archive).partition("://")
        if not found:
            return Path(archive)
        if scheme != "s3" or not rest.partition("/")[0]:
            raise ValueError("expected a folder, or s3://bucket/prefix")
        return archive
