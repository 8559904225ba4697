"""Wire models of what operators do to queues."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class PurgeResult(BaseModel):
    """What a purge took out of a queue."""

    task_type: str
    purged: int = Field(description="Tasks that were queued and are now cancelled, for the reason `purged`.")
    blocked: int = Field(description="Tasks that cannot run because of that.")


class RescheduleRequest(BaseModel):
    """Which tasks get a new place in their queues, besides those that were purged."""

    model_config = ConfigDict(extra="forbid")

    failed: bool = Field(default=False, description="Those that failed, too.")


class RescheduleResult(BaseModel):
    """What was put back into queues."""

    rescheduled: int = Field(description="Tasks with a fresh attempt; 0 where there was nothing to do.")
