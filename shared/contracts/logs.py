"""Wire models of the log service: records and pages of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

MAX_BATCH = 5000
MAX_MESSAGE_LENGTH = 65536


class LogRecord(BaseModel):
    """One log record as its writer made it.

    (`attempt_id`, `stream`, `sequence`) names it: a record that arrives twice is stored once. A record that belongs to
    no attempt has `attempt_id` 0 and its writer's own stream name.
    """

    attempt_id: int = 0
    task_id: int = 0
    job_id: int = 0
    stream: str = Field(max_length=128, description="Who wrote it: a worker's or a service's name.")
    sequence: int = Field(ge=0, description="Counts the records of one stream and attempt, without gaps, from 0.")
    time: datetime = Field(description="When the record was made, not when it arrived.")
    level: int = Field(ge=0, le=100, description="10 debug, 20 info, 30 warning, 40 error, 50 critical.")
    logger: str = Field(default="", max_length=256)
    message: str = Field(description="With its arguments filled in.")
    template: str | None = Field(default=None, description="The message before its arguments were filled in.")
    arguments: list[Any] | None = None
    traceback: str | None = None
    host: str = Field(default="", max_length=256)
    process_id: int = 0


class LogBatch(BaseModel):
    """Records to store."""

    records: list[LogRecord] = Field(max_length=MAX_BATCH)


class IngestResponse(BaseModel):
    """How many records were new, and how many were already there."""

    stored: int
    repeated: int


class StoredRecord(LogRecord):
    """A record with the id that pages are cut by."""

    record_id: int


class LogPage(BaseModel):
    """Records by id. `next_after` is the `after` of the following page."""

    items: list[StoredRecord]
    next_after: int | None = None
