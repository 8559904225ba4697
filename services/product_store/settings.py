"""Settings of the product store, from the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from shared.amqp.settings import BrokerChoice
from shared.database.engines import SQLITE_CACHE_MB


class ProductStoreSettings(BrokerChoice):
    """Read from ``EAS_PRODUCT_STORE_*`` where they are not given."""

    model_config = SettingsConfigDict(env_prefix="EAS_PRODUCT_STORE_", frozen=True)

    database_url: str = Field(default="sqlite:///data/product_store.db", description="Where the catalogue is kept.")
    sqlite_cache_mb: float = Field(
        default=SQLITE_CACHE_MB,
        ge=1,
        le=65536,
        description="How much of a SQLite database is kept in memory; servers have settings of their own [MB].",
    )
    archive: Path | str = Field(
        default=Path("data/products"), description="The folder that the bytes are kept in, or `s3://bucket/prefix`."
    )
    spool: Path = Field(
        default=Path("data/spool"),
        description="The folder for bytes on their way to a bucket. Keep it with the catalogue.",
    )
    s3_endpoint: str | None = Field(
        default=None, description="The address of the object storage; else `AWS_ENDPOINT_URL`, else that of AWS."
    )
    s3_region: str | None = Field(default=None, description="Its region; else `AWS_REGION`.")
    tokens_file: Path | None = Field(default=None, description="Who may call; without it, everyone who reaches it.")
    host: str = Field(default="127.0.0.1", description="The address to listen on.")
    port: int = Field(default=8322, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    max_version_bytes: int = Field(default=1 << 40, gt=0, description="Most bytes of one version.")
    upload_hours: float = Field(default=24.0, gt=0, description="How long an upload in pieces is kept unheard [h].")
    grace_hours: float = Field(default=168.0, ge=0, description="How long the bytes of removed versions stay [h].")
    tidy_seconds: float = Field(default=60.0, gt=0, description="How often what is no longer needed goes [s].")
    scrub_mb_per_second: float = Field(
        default=10.0, ge=0, description="How fast stored bytes are read again, to find damage; 0 is never [MB/s]."
    )
    preview_processes: int = Field(default=2, ge=1, le=64, description="How many previews are made at once.")
    preview_memory_mb: int = Field(
        default=2048, ge=512, description="Most memory of a process that makes previews [MB]."
    )
    preview_seconds: float = Field(default=30.0, gt=0, description="How long the making of a preview may take [s].")
    preview_max_mb: int = Field(
        default=256, ge=1, description="Of longer versions only the beginning is shown, as text [MB]."
    )
    ids_patience_seconds: float = Field(
        default=5.0,
        ge=0,
        description="How long new versions wait after a start for the scheduler to say which versions it knows; 0 does "
        "not wait. After a restore they wait for as long as it takes [s].",
    )
    archive_threads: int = Field(default=8, ge=1, le=256, description="How many files are written or read at once.")

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
