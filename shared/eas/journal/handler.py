"""The standard library's logging, written to a journal."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from eas.contracts.logs import MAX_STREAM_LENGTH, cut_log_text
from eas.contracts.texts import clean_text
from eas.journal.arguments import plain_arguments
from eas.journal.journal import Journal, SpoolBound

#: Below WARNING, what these say is about the shipping of records itself: each would cause the next.
SHIPPING_LOGGERS = ("httpx", "httpcore")

_REMEMBERED_ATTEMPTS = 1024
_formatter = logging.Formatter()
_last_start = 0

#: What every record of the standard library has, or gets from its formatters.
_BARE = logging.LogRecord("", 0, "", 0, "", (), None).__dict__
_STANDARD_COUNT = len(_BARE)
_STANDARD = frozenset(_BARE) | {"message", "asctime", "exc_text", "stack_info", "taskName", "attempt"}


@dataclass(frozen=True)
class AttemptContext:
    """Whom a record belongs to; all 0 where it belongs to no attempt."""

    attempt_id: int = 0
    task_id: int = 0
    job_id: int = 0


_NOBODY = AttemptContext()


class JournalHandler(logging.Handler):
    """Writes log records to this process's journal, from where a `Shipper` takes them to the log service.

    A record keeps its own time, its message with the arguments filled in, the template and the arguments themselves,
    and the text of its traceback. It belongs to the attempt set with `set_attempt`, or, where one process speaks for
    many, to the one given with the call: ``logger.info("…", extra={"attempt": AttemptContext(…)})``.

    Records are numbered from 0 for each attempt and stream. The stream is ``<writer>:<process id>:<start>``, so a
    process that takes over, or is forked, starts a stream of its own. A number that never arrives was a record that was
    dropped, because the spool was full or the disk was.

    When an attempt's turn is over (the next one is set, or none), how many records it had is written, too, so that the
    service can tell whether all of them arrived.

    What a call says with ``extra`` is kept as typed fields: ``logger.info("found", extra={"period": 3.85})``.

    Emitting never raises and never waits for the network. What cannot be written is counted, said once on stderr, and a
    WARNING record of the attempt tells the number as soon as there is room, also when the attempt has ended by then.

    Parameters
    ----------
    spool
        Folder of the journals, on a local disk.
    writer
        Who writes: the worker's id, say. At most 80 characters.
    level
        Records below it are not written.
    bound
        How large the spool folder may grow. See `eas.journal.journal` for what happens then.

    Attributes
    ----------
    clock_ahead
        How far this host's clock is ahead of the one by which records are to have their times [s].
    """

    def __init__(
        self,
        spool: Path,
        writer: str,
        level: int = logging.NOTSET,
        bound: SpoolBound = SpoolBound(),  # noqa: B008 - frozen
    ) -> None:
        if not 1 <= len(writer) <= 80:
            raise ValueError(f"writer {writer!r}: expected 1 to 80 characters")
        super().__init__(level)
        self._spool = spool
        self._writer = writer
        self._bound = bound
        self.clock_ahead = 0.0
        self._host = socket.gethostname()[:256]
        self._context = _NOBODY
        self._journal: Journal | None = None
        self._begin()

    def _begin(self) -> None:
        """Become a writer with a stream and a journal of its own: at first, and in every forked child."""
        if self._journal is not None:
            self._journal.close()
        self._process_id = os.getpid()
        start = f"{_unique_time():x}"
        self.stream = f"{self._writer}:{self._process_id}:{start}"[:MAX_STREAM_LENGTH]
        self._journal = Journal(self._spool, f"{self._process_id}-{start}", self._bound)
        self._next_free = 0
        self._next: OrderedDict[int, int] = OrderedDict()
        self._dropped: dict[AttemptContext, int] = {}
        self._unended: set[int] = set()
        self._failing = False

    def set_attempt(self, attempt_id: int, *, task_id: int = 0, job_id: int = 0) -> None:
        """Let the records that follow belong to an attempt."""
        with self.lock:  # type: ignore[union-attr]
            self._report_dropped()
            self._say_how_many(self._context.attempt_id)
            self._make_up()
            self._context = AttemptContext(attempt_id, task_id, job_id)

    def clear_attempt(self) -> None:
        """Let the records that follow belong to no attempt."""
        self.set_attempt(0)

    def end_attempt(self, attempt_id: int) -> None:
        """Say that nothing more comes for an attempt, where one process speaks for many."""
        with self.lock:  # type: ignore[union-attr]
            self._report_dropped()
            self._say_how_many(attempt_id)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        if record.levelno < logging.WARNING and record.name.partition(".")[0] in SHIPPING_LOGGERS:
            return
        try:
            if os.getpid() != self._process_id:
                self._begin()
            context = record.__dict__.get("attempt", self._context)
            if not isinstance(context, AttemptContext):
                context = self._context
            self._write(record, context)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Say what was dropped, and finish the journal."""
        with self.lock:  # type: ignore[union-attr]
            if self._journal is not None and os.getpid() == self._process_id:
                self._report_dropped()
                self._say_how_many(self._context.attempt_id)
                self._make_up()
                self._journal.close()
        super().close()

    def _write(self, record: logging.LogRecord, context: AttemptContext) -> None:
        assert self._journal is not None  # noqa: S101 - made by `_begin`
        sequence = self._take_number(context.attempt_id)
        pressure = self._journal.pressure()
        if pressure > 2 or (pressure > 1 and record.levelno < logging.WARNING):
            self._count_dropped(context)
            return
        if self._dropped and not self._failing and (pressure <= 1 or self._dropped.keys() != {context}):
            self._report_dropped()
        self._append(self._line(record, context, sequence), context)
        if self._unended and not self._failing:
            self._report_dropped()
            self._make_up()

    def _append(self, line: bytes, context: AttemptContext, dropped: int = 1) -> None:
        """Write a line, or count the records that are missing without it."""
        assert self._journal is not None  # noqa: S101 - made by `_begin`
        try:
            self._journal.append(line)
            self._failing = False
        except OSError as error:
            self._count_dropped(context, dropped)
            self._journal.mark_gap()
            if not self._failing and sys.stderr is not None:
                print(f"log records are being lost: {error}", file=sys.stderr)
            self._failing = True

    def _take_number(self, attempt_id: int) -> int:
        if attempt_id == 0:
            self._next_free += 1
            return self._next_free - 1
        number = self._next.get(attempt_id, 0)
        self._next[attempt_id] = number + 1
        if number == 0 and len(self._next) > _REMEMBERED_ATTEMPTS:
            forgotten, _ = self._next.popitem(last=False)
            self._unended.discard(forgotten)
            self._dropped = {found: count for found, count in self._dropped.items() if found.attempt_id != forgotten}
        return number

    def _return_number(self, attempt_id: int) -> None:
        """Take back the last number of an attempt: nothing was lost that had it."""
        if attempt_id == 0:
            self._next_free -= 1
        elif attempt_id in self._next:
            self._next[attempt_id] -= 1

    def _count_dropped(self, context: AttemptContext, count: int = 1) -> None:
        self._dropped[context] = self._dropped.get(context, 0) + count

    def _report_dropped(self) -> None:
        """Write, for each attempt, how many of its records were dropped, even where the spool is still full."""
        for context in list(self._dropped):
            dropped = self._dropped.pop(context)
            text = "%d records dropped: the spool or its disk is full"
            notice = logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, (dropped,), None)
            self._append(self._line(notice, context, self._take_number(context.attempt_id)), context, dropped)
            if self._failing:
                self._return_number(context.attempt_id)
                return

    def _make_up(self) -> None:
        """Write what could not be written of attempts that ended while the disk was full."""
        for attempt_id in list(self._unended):
            self._unended.discard(attempt_id)
            self._say_how_many(attempt_id)
            if attempt_id in self._unended:
                return

    def _say_how_many(self, attempt_id: int) -> None:
        """Write how many records this stream has of an attempt, if it has any, for the service to compare."""
        emitted = self._next.get(attempt_id, 0)
        if not attempt_id or not emitted or self._journal is None or os.getpid() != self._process_id:
            return
        ending = {"emitted": emitted, "attempt_id": attempt_id, "stream": self.stream}
        try:
            self._journal.append(orjson.dumps(ending))
        except OSError:
            self._failing = True
            self._unended.add(attempt_id)
            self._journal.mark_gap()

    def _line(self, record: logging.LogRecord, context: AttemptContext, sequence: int) -> bytes:
        arguments = plain_arguments(record.args)
        template = _text(record.msg)
        fields: dict[str, Any] = {
            "attempt_id": context.attempt_id,
            "task_id": context.task_id,
            "job_id": context.job_id,
            "stream": self.stream,
            "sequence": sequence,
            "time": datetime.fromtimestamp(max(record.created - self.clock_ahead, 0.0), UTC),
            "level": min(max(record.levelno, 0), 100),
            "logger": record.name[-256:],
            "message": cut_log_text(_fill_in(record, template, arguments)),
            "host": self._host,
            "process_id": self._process_id,
        }
        if len(record.__dict__) > _STANDARD_COUNT and (extra := _extra(record)):
            fields["fields"] = extra
        if arguments is not None:
            fields["template"] = cut_log_text(template)
            fields["arguments"] = arguments
        if record.exc_info or record.exc_text or record.stack_info:
            fields["traceback"] = cut_log_text(_traceback(record), keep_end=True)
        try:
            return orjson.dumps(fields)
        except TypeError:
            # A lone surrogate, from a file name say: Python can hold it, UTF-8 cannot.
            return orjson.dumps(_clean(fields))


def _extra(record: logging.LogRecord) -> dict[str, Any] | None:
    """Take what a call gave as ``extra``, as plain JSON of bounded size."""
    found = {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
    kept = plain_arguments(found)
    return kept[0] if kept else None


def _unique_time() -> int:
    """Tell the time in nanoseconds, never the same twice in one process."""
    global _last_start
    _last_start = max(time.time_ns(), _last_start + 1)
    return _last_start


def _text(message: object) -> str:
    try:
        return str(message)
    except Exception as error:
        return f"<{type(message).__name__} that cannot be shown: {type(error).__name__}>"


def _fill_in(record: logging.LogRecord, template: str, arguments: list[Any] | None) -> str:
    if arguments is None:
        return template
    try:
        return record.getMessage()
    except Exception as error:
        return f"{template} (its arguments could not be filled in: {type(error).__name__}: {error}) {arguments!r}"


def _traceback(record: logging.LogRecord) -> str:
    parts = [record.exc_text or ""]
    if not record.exc_text and isinstance(record.exc_info, tuple) and record.exc_info[1] is not None:
        try:
            parts = [_formatter.formatException(record.exc_info)]
        except Exception as error:
            parts = [f"{record.exc_info[0]} (its traceback could not be written: {type(error).__name__})"]
    if record.stack_info:
        parts.append(record.stack_info)
    return "\n".join(part for part in parts if part)


def _clean(value: Any) -> Any:
    """Write lone surrogates as escapes, everywhere in a record."""
    match value:
        case str():
            return clean_text(value)
        case list():
            return [_clean(item) for item in value]
        case dict():
            return {_clean(key): _clean(item) for key, item in value.items()}
        case _:
            return value
