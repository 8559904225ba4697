"""Wire models of the log service: records, queries, and pages of records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from eas.contracts.states import LogLevel
from eas.contracts.texts import cut_text

#: The queue for batches, after the suite's prefix. A message is what HTTP takes as a body: JSON or NDJSON, or gzip.
LOG_QUEUE = "logs"
MAX_BATCH = 5000
MAX_BATCH_BYTES = 32 * 1024 * 1024
MAX_MESSAGE_LENGTH = 65536
MAX_STREAM_LENGTH = 128
MAX_PAGE = 5000
MAX_SEARCH_LENGTH = 1000
MAX_CONDITIONS = 16

LEVEL_NUMBERS = {
    LogLevel.DEBUG: 10,
    LogLevel.INFO: 20,
    LogLevel.WARNING: 30,
    LogLevel.ERROR: 40,
    LogLevel.CRITICAL: 50,
}

#: A number that names an attempt, a task, a job or a record; 0 is "none".
Id = Annotated[int, Field(ge=0, le=2**63 - 1)]

#: Within what every database, and Python after any change of time zone, can hold.
RecordTime = Annotated[AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(9999, 1, 1, tzinfo=UTC))]


def cut_log_text(text: str, *, keep_end: bool = False) -> str:
    """Cut a message, a template or a traceback to `MAX_MESSAGE_LENGTH` characters. See `cut_text`."""
    return cut_text(text, MAX_MESSAGE_LENGTH, keep_end=keep_end)


def _level_number(value: object) -> object:
    """Read a level given by its name."""
    try:
        return LEVEL_NUMBERS[LogLevel(value.lower())] if isinstance(value, str) else value
    except ValueError:
        return value


Level = Annotated[int, BeforeValidator(_level_number), Field(ge=0, le=100)]


class LogRecord(BaseModel):
    """One log record as its writer made it.

    (`attempt_id`, `stream`, `sequence`) names it: a record that arrives twice is stored once. A record that belongs to
    no attempt has `attempt_id` 0 and its writer's own stream name. Message, template and traceback beyond
    `MAX_MESSAGE_LENGTH` characters are cut, with a mark, never refused.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "attempt_id": 4711,
                    "task_id": 1203,
                    "job_id": 17,
                    "stream": "worker-1:5120:199a7c01f2e",
                    "sequence": 0,
                    "time": "2026-03-01T12:00:00.123456Z",
                    "level": 20,
                    "logger": "eas_worker.tasks.transit_search_bls_reference",
                    "message": "period 3.8491 d, 12 transits",
                    "template": "period %.4f d, %d transits",
                    "arguments": [3.8491, 12],
                    "fields": {"period": 3.8491, "star": "TIC 261136679"},
                    "host": "node07",
                    "process_id": 5120,
                }
            ]
        }
    )

    attempt_id: Id = 0
    task_id: Id = 0
    job_id: Id = 0
    stream: str = Field(max_length=MAX_STREAM_LENGTH, description="Who wrote it: a worker's or a service's name.")
    sequence: Id = Field(description="Counts the records of one stream and attempt, without gaps, from 0.")
    time: RecordTime = Field(description="When the record was made, not when it arrived.")
    level: int = Field(ge=0, le=100, description="10 debug, 20 info, 30 warning, 40 error, 50 critical.")
    logger: str = Field(default="", max_length=256)
    message: str = Field(description="With its arguments filled in.")
    template: str | None = Field(
        default=None, description="The message before its arguments were filled in; null where it had none."
    )
    arguments: list[Any] | None = None
    traceback: str | None = None
    fields: dict[str, Any] | None = Field(
        default=None, description="What else its writer said, by name: numbers, texts, truth values."
    )
    host: str = Field(default="", max_length=256)
    process_id: int = Field(default=0, ge=0, le=2**31 - 1)


class StreamEnding(BaseModel):
    """How many records a writer made for an attempt, said by the writer itself when it is done with it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"attempt_id": 4711, "stream": "worker-1:5120:199a7c01f2e", "emitted": 1}]}
    )

    attempt_id: int = Field(ge=1, le=2**63 - 1)
    stream: str = Field(max_length=MAX_STREAM_LENGTH, description="Who wrote.")
    emitted: Id = Field(description="Its highest sequence number, and one.")


class LogBatch(BaseModel):
    """Records to store, and what their writers say about how many there were."""

    records: list[LogRecord] = Field(max_length=MAX_BATCH)
    endings: list[StreamEnding] = Field(default_factory=list, max_length=MAX_BATCH)


#: How a line of a journal, or of NDJSON, begins that is an ending and no record.
ENDING_START = b'{"emitted":'


def join_lines(lines: Sequence[bytes]) -> bytes:
    """Make one batch of lines that are each the JSON of a record or of an ending."""
    records: list[bytes] = []
    endings: list[bytes] = []
    for line in lines:
        (endings if line.startswith(ENDING_START) else records).append(line)
    return b'{"records":[%b],"endings":[%b]}' % (b",".join(records), b",".join(endings))


class IngestResponse(BaseModel):
    """How many records were new, and how many were already there."""

    stored: int
    repeated: int
    refused: int = Field(
        default=0,
        description="Records that cannot be stored; in the place of each there is one that says so.",
    )


class StoredRecord(LogRecord):
    """A record with the id that pages are cut by."""

    record_id: int


class RecordOrder(StrEnum):
    """By the time of the record (then by id): oldest or newest first."""

    ASCENDING = "asc"
    DESCENDING = "desc"


class LogScope(BaseModel):
    """Whose records: those of an attempt, a task, a job, or (all left out) everyone's."""

    model_config = ConfigDict(extra="forbid")

    attempt_id: Id | None = Field(default=None, description="Records of this attempt.", examples=[4711])
    task_id: Id | None = Field(default=None, description="Records of all attempts of this task.", examples=[1203])
    job_id: Id | None = Field(default=None, description="Records of all tasks of this job.", examples=[17])


class LogQuery(LogScope):
    """Which records, and how many of them."""

    min_level: Level = Field(
        default=0,
        description="This level and above: a number, or the name of a level.",
        examples=[30],
    )
    since: RecordTime | None = Field(
        default=None, description="Records made at this time or later.", examples=["2026-03-01T12:00:00Z"]
    )
    until: RecordTime | None = Field(
        default=None, description="Records made before this time.", examples=["2026-03-02T00:00:00Z"]
    )
    stream: str | None = Field(default=None, description="Records of this writer.", max_length=MAX_STREAM_LENGTH)
    host: str | None = Field(default=None, description="Records of this host.", max_length=256, examples=["node07"])
    text: str | None = Field(
        default=None,
        max_length=MAX_SEARCH_LENGTH,
        description=(
            'Words that all stand in the message or the traceback, in any case; `"quoted words"` stand together, and '
            "`tran*` is any word that begins so."
        ),
        examples=["transits tran*"],
    )
    field: list[Annotated[str, Field(max_length=MAX_SEARCH_LENGTH)]] = Field(
        default_factory=list,
        max_length=MAX_CONDITIONS,
        description=(
            "Comparisons with the record's fields, all of which hold: `period>=3.5`, `star=TIC 1`, with `=`, `!=`, "
            "`<`, `<=`, `>`, `>=`. A value that reads as a JSON number or truth value is one; quotes make it text."
        ),
        examples=[["period>=3.5"]],
    )
    after: Id = Field(default=0, description="Go on after the record of this id: `next_after` of the page before.")
    limit: int = Field(default=200, ge=1, le=MAX_PAGE, description="How many records at most.")
    order: RecordOrder = RecordOrder.ASCENDING

    @property
    def is_search(self) -> bool:
        """Whether the text index answers it, in the order of arrival."""
        return self.text is not None or self.host is not None


class ExportForm(StrEnum):
    """What an export is written in."""

    CSV = "csv"
    NDJSON = "ndjson"

    @property
    def media_type(self) -> str:
        """The media type of such a document."""
        return "text/csv" if self is ExportForm.CSV else "application/x-ndjson"


class LogExport(LogQuery):
    """Which records, and in what form."""

    format: ExportForm = Field(default=ExportForm.NDJSON, description="Comma-separated values, or JSON lines.")


class LogTail(LogQuery):
    """Which records to follow."""

    after: Id = Field(default=0, description="As `Last-Event-ID`, which wins; left out, only new ones.", examples=[0])


class LogPage(BaseModel):
    """Records in the order of the query. `next_after` is the `after` of the following page, null on the last one."""

    items: list[StoredRecord]
    next_after: int | None = None


class LogCounts(BaseModel):
    """How many records there are, by level number."""

    levels: dict[int, int] = Field(description="Level number to count; levels without records are left out.")
    total: int


class TaskCounts(LogCounts):
    """How many records one task has, by level number."""

    task_id: int


class TaskCountsPage(BaseModel):
    """Tasks that have records, by their id. `next_after` is the `after` of the following page, null on the last one."""

    items: list[TaskCounts]
    next_after: int | None = None


class Completeness(StrEnum):
    """Whether all is stored that was emitted; not known while a writer has not said how much that is."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    UNKNOWN = "unknown"


class SequenceRange(BaseModel):
    """Sequence numbers from `first` to `last`, both among them."""

    first: int
    last: int


class StreamCompleteness(BaseModel):
    """What one writer emitted for an attempt, and what of it is stored."""

    stream: str
    state: Completeness
    emitted: int | None = Field(description="As its writer said at its end; null while it has not.")
    stored: int
    removed: int = Field(description="What retention has removed since.")
    missing: int = Field(description="How many sequence numbers below `emitted` never arrived.")
    missing_ranges: list[SequenceRange] = Field(
        description="Which; the first 100 ranges, those removed by retention among them."
    )


class AttemptCompleteness(BaseModel):
    """What all writers emitted for an attempt, and what of it is stored."""

    attempt_id: int
    state: Completeness
    emitted: int | None = Field(description="The sum; null while a writer has not said how much it emitted.")
    stored: int
    removed: int
    missing: int
    streams: list[StreamCompleteness]


class SkippedRecords(BaseModel):
    """What a live tail left out since its reader was too slow: page through it with the query's other parameters."""

    skipped: int = Field(description="How many records that match.")
    after: int = Field(description="The last record id that was looked at before the gap.")
    until: int = Field(description="The last record id of the gap.")
