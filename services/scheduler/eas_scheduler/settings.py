"""Settings of the scheduler, from the environment."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from eas.amqp.settings import BrokerChoice
from eas.database.engines import SQLITE_CACHE_MB


class SchedulerSettings(BrokerChoice):
    """Read from ``EAS_SCHEDULER_*`` where they are not given."""

    model_config = SettingsConfigDict(env_prefix="EAS_SCHEDULER_", frozen=True)

    database_url: str = Field(
        default="sqlite:///data/scheduler.db", description="URL of the database with jobs and tasks."
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
    port: int = Field(default=8321, ge=0, le=65535, description="The port to listen on; 0 selects a free port.")
    product_store_url: str = Field(default="http://127.0.0.1:8322", description="Address of the product store.")
    product_store_token: SecretStr | None = Field(
        default=None, description="Token for the product store, with the scope operate."
    )
    log_service_url: str | None = Field(
        default=None,
        description="Address of the log service; the scheduler asks it for the highest stored ids at the start.",
    )
    log_service_token: SecretStr | None = Field(
        default=None, description="Token for the log service, with the scope operate."
    )
    ids_patience_seconds: float = Field(
        default=5.0,
        ge=0,
        description="After a start, operations that create ids wait this long for the highest ids of the other "
        "services; 0 does not wait. After a restore they wait without a limit [s].",
    )
    lease_seconds: float = Field(
        default=60.0, gt=0, description="An attempt is lost if its worker sends no heartbeat for this long [s]."
    )
    reap_seconds: float = Field(default=5.0, gt=0, description="Interval of the search for expired leases [s].")
    max_attempts: int = Field(
        default=5, ge=1, description="Maximum attempts of a task that fails for reasons that are retried."
    )
    retry_delay_seconds: float = Field(
        default=1.0,
        ge=0,
        description="Pause before the second attempt; doubled before each further attempt, up to 5 min [s].",
    )
    max_losses: int = Field(default=3, ge=1, description="A task is quarantined after this many lost workers.")
    max_iterations: int = Field(default=10_000, ge=1, description="Maximum iterations of a while or do-while loop.")
    event_heartbeat_seconds: float = Field(
        default=15.0, gt=0, description="Interval of heartbeats on an idle event stream [s]."
    )
    replica: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._:-]{1,128}$",
        description="Name of this scheduler, unique among the schedulers on one database; default: its host and port.",
    )
    leader_lease_seconds: float = Field(
        default=6.0,
        gt=0,
        description="Another scheduler becomes leader if the leader does not renew its lease for this long [s].",
    )
    peer_seconds: float = Field(
        default=0.2, gt=0, description="Interval of the check for commits of other schedulers; not with SQLite [s]."
    )
    sweep_seconds: float = Field(
        default=5.0, gt=0, description="Interval of the search for unanswered doorbells, with a broker [s]."
    )
    ring_again_seconds: float = Field(
        default=10.0, gt=0, description="An unanswered doorbell is published again after this time, with a broker [s]."
    )
    max_document_bytes: int = Field(default=64 * 2**20, gt=0, description="Maximum size of a job document [bytes].")

    def find_replica_name(self) -> str:
        """Tell this scheduler from others on its database; of a SQLite file there is only one."""
        if self.replica is not None:
            return self.replica
        if self.database_url.startswith("sqlite"):
            return "embedded"
        return f"{re.sub(r'[^A-Za-z0-9.-]', '-', socket.gethostname())[:100]}:{self.port}"
