"""Settings of the log service, from the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from eas.amqp.settings import BrokerChoice
from eas.database.engines import SQLITE_CACHE_MB


class LoggingSettings(BrokerChoice):
    """Read from ``EAS_LOGGING_*`` where they are not given."""

    model_config = SettingsConfigDict(env_prefix="EAS_LOGGING_", frozen=True)

    database_url: str = Field(
        default="sqlite:///data/logging.db", description="URL of the database with the log records."
    )
    sqlite_cache_mb: float = Field(
        default=SQLITE_CACHE_MB,
        ge=1,
        le=65536,
        description="Page cache of a SQLite database in memory; servers have their own settings [MB].",
    )
    tokens_file: Path | None = Field(
        default=None,
        description="File with the tokens of all callers. Without it, everyone who can reach the service may call it.",
    )
    host: str = Field(default="127.0.0.1", description="The address to listen on.")
    port: int = Field(default=8323, ge=0, le=65535, description="The port to listen on; 0 selects a free port.")
    tail_behind: int = Field(
        default=20_000,
        ge=1,
        description="Maximum records that wait for a reader of the live tail; above it, older records are skipped.",
    )
    tail_heartbeat_seconds: float = Field(
        default=15, gt=0, description="Interval of heartbeats on an idle live tail [s]."
    )
    retention_every_seconds: float = Field(
        default=3600, gt=0, description="Interval at which the retention policy is applied [s]."
    )
    max_waiting: int = Field(
        default=100_000,
        ge=1,
        description="Maximum records that wait to be committed; above it, batches are answered with 429 and "
        "Retry-After.",
    )
