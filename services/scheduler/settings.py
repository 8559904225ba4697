"""Settings of the scheduler, from the environment."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.amqp.settings import BrokerChoice
from shared.database.engines import SQLITE_CACHE_MB


class SchedulerSettings(BrokerChoice):
    """Read from ``EAS_SCHEDULER_*`` where they are not given."""

    model_config = SettingsConfigDict(env_prefix="EAS_SCHEDULER_", frozen=True)

    database_url: str = Field(default="sqlite:///data/scheduler.db", description="Where jobs and tasks are kept.")
    sqlite_cache_mb: float = Field(
        default=SQLITE_CACHE_MB,
        ge=1,
        le=65536,
        description="How much of a SQLite database is kept in memory; servers have settings of their own [MB].",
    )
    tokens_file: Path | None = Field(default=None, description="Who may call; without it, everyone who reaches it.")
    host: str = Field(default="127.0.0.1", description="The address to listen on.")
    port: int = Field(default=8321, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    product_store_url: str = Field(default="http://127.0.0.1:8322", description="Where the product store answers.")
    product_store_token: SecretStr | None = Field(default=None, description="A token with the scope operate.")
    log_service_url: str | None = Field(
        default=None, description="Where the log service answers, which is asked for the ids that it knows."
    )
    log_service_token: SecretStr | None = Field(default=None, description="A token for it with the scope operate.")
    ids_patience_seconds: float = Field(
        default=5.0,
        ge=0,
        description="How long all that gives ids waits after a start for the other services to say which they know; 0 "
        "does not wait. After a restore it waits for as long as it takes [s].",
    )
    lease_seconds: float = Field(default=60.0, gt=0, description="How long an attempt is its worker's unheard [s].")
    reap_seconds: float = Field(default=5.0, gt=0, description="How often expired leases are looked for [s].")
    max_attempts: int = Field(default=5, ge=1, description="Most attempts of a task that fails for passing reasons.")
    retry_delay_seconds: float = Field(
        default=1.0, ge=0, description="Pause before a second attempt; each further one doubles it, up to 5 min [s]."
    )
    max_losses: int = Field(default=3, ge=1, description="Lost workers after which a task is quarantined.")
    max_iterations: int = Field(
        default=10_000, ge=1, description="Most iterations of a loop that tests whether it goes on."
    )
    event_heartbeat_seconds: float = Field(
        default=15.0, gt=0, description="A stream of events on which nothing happens gives a sign of life so often [s]."
    )
    replica: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._:-]{1,128}$",
        description="This scheduler's name among several on one database; by default its host and port.",
    )
    leader_lease_seconds: float = Field(
        default=6.0, gt=0, description="How long the one of them that leads may be unheard before another does [s]."
    )
    peer_seconds: float = Field(
        default=0.2, gt=0, description="How often to look for what the others have done; not with SQLite [s]."
    )
    sweep_seconds: float = Field(
        default=5.0, gt=0, description="How often to look for doorbells that nobody heard, with a broker [s]."
    )
    ring_again_seconds: float = Field(
        default=10.0, gt=0, description="How long a doorbell may be unheard before it rings again, with a broker [s]."
    )
    max_document_bytes: int = Field(default=64 * 2**20, gt=0, description="Most bytes of a job document.")

    def find_replica_name(self) -> str:
        """Tell this scheduler from others on its database; of a SQLite file there is only one."""
        if self.replica is not None:
            return self.replica
        if self.database_url.startswith("sqlite"):
            return "embedded"
        return f"{re.sub(r'[^A-Za-z0-9.-]', '-', socket.gethostname())[:100]}:{self.port}"
