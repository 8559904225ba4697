"""The tables. Rows never leave `storage`.

Writers' names repeat in millions of records, so they have a table of their own and a record carries a small number.
Every index on records ends with the time: one scope and one level are a run of an index, already in order.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Integer, SmallInteger, Text, UniqueConstraint
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from eas.contracts.logs import MAX_STREAM_LENGTH
from eas.database.tables import find_table
from eas.database.types import Json, Key, UtcTime


class LoggingRow(SQLModel, registry=registry()):
    """Base of this service's tables; they share no metadata with another service's."""


class StreamRow(LoggingRow, table=True):
    """A writer's name."""

    __tablename__ = "log_stream"

    stream_id: int | None = Field(default=None, primary_key=True, sa_type=Key)
    name: str = Field(max_length=MAX_STREAM_LENGTH, unique=True)


class RecordRow(LoggingRow, table=True):
    """A log record."""

    __tablename__ = "log_record"
    __table_args__ = (
        UniqueConstraint("attempt_id", "stream_id", "sequence", name="uq_log_record_writer"),
        Index("ix_log_record_attempt", "attempt_id", "level", "time"),
        Index("ix_log_record_task", "task_id", "level", "time"),
        Index("ix_log_record_job", "job_id", "level", "time"),
        Index("ix_log_record_level", "level", "time"),
    )

    record_id: int | None = Field(default=None, primary_key=True, sa_type=Key)
    attempt_id: int = Field(sa_type=Key)
    task_id: int = Field(sa_type=Key)
    job_id: int = Field(sa_type=Key)
    stream_id: int = Field(foreign_key="log_stream.stream_id", sa_type=Key)
    sequence: int = Field(sa_type=Key)
    time: datetime = Field(sa_type=UtcTime)
    level: int = Field(sa_type=SmallInteger)
    logger: str = Field(max_length=256)
    message: str = Field(sa_type=Text)
    template: str | None = Field(default=None, sa_type=Text)
    arguments: list[Any] | None = Field(default=None, sa_type=Json)
    traceback: str | None = Field(default=None, sa_type=Text)
    host: str = Field(max_length=256)
    process_id: int = Field(sa_type=Integer)
    fields: dict[str, Any] | None = Field(default=None, sa_type=Json)


class TallyRow(LoggingRow, table=True):
    """How many records one writer made for one attempt, by its own word, and how many of them were removed."""

    __tablename__ = "log_tally"

    attempt_id: int = Field(primary_key=True, sa_type=Key, sa_column_kwargs={"autoincrement": False})
    stream_id: int = Field(
        primary_key=True, foreign_key="log_stream.stream_id", sa_type=Key, sa_column_kwargs={"autoincrement": False}
    )
    emitted: int | None = Field(default=None, sa_type=Key)
    removed: int = Field(default=0, sa_type=Key)


class StateRow(LoggingRow, table=True):
    """What the service itself keeps: how far the text index has come, the retention policy."""

    __tablename__ = "log_state"

    name: str = Field(max_length=32, primary_key=True)
    value: Any = Field(sa_type=Json)


#: The tables, for queries.
stream_table = find_table(StreamRow)
record_table = find_table(RecordRow)
tally_table = find_table(TallyRow)
state_table = find_table(StateRow)
