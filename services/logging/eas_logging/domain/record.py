"""What a record must be like to be stored: texts of bounded length, arguments that are plain JSON."""

from __future__ import annotations

import logging
import re
from typing import Any

import orjson

from eas.contracts.logs import MAX_MESSAGE_LENGTH, LogRecord, cut_log_text
from eas.contracts.values import MAX_LEVELS, find_value_fault


def bound_record(record: LogRecord) -> LogRecord:
    """Cut what is too long, with a mark; nothing is dropped.

    Returns
    -------
    LogRecord
        `record` itself where nothing had to change.
    """
    changes: dict[str, Any] = {}
    if len(record.message) > MAX_MESSAGE_LENGTH:
        changes["message"] = cut_log_text(record.message)
    if record.template is not None and len(record.template) > MAX_MESSAGE_LENGTH:
        changes["template"] = cut_log_text(record.template)
    if record.traceback is not None and len(record.traceback) > MAX_MESSAGE_LENGTH:
        changes["traceback"] = cut_log_text(record.traceback, keep_end=True)
    if record.arguments is not None:
        arguments = _bound_arguments(record.arguments)
        if arguments is not record.arguments:
            changes["arguments"] = arguments
    if record.fields is not None:
        fields = _bound_fields(record.fields)
        if fields is not record.fields:
            changes["fields"] = fields
    return record.model_copy(update=changes) if changes else record


def replace_record(record: LogRecord, words: str) -> LogRecord:
    """Make the record that stands in the place of one that cannot be stored: whose it was, and why it is not there."""
    return LogRecord(
        attempt_id=record.attempt_id,
        task_id=record.task_id,
        job_id=record.job_id,
        stream=record.stream,
        sequence=record.sequence,
        time=record.time,
        level=max(record.level, logging.ERROR),
        message=words,
    )


def _bound_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Keep fields that are short plain JSON; else keep each as text, as `_bound_arguments` does."""
    if _fits(fields, MAX_MESSAGE_LENGTH):
        return fields
    kept: dict[str, Any] = {}
    room = MAX_MESSAGE_LENGTH
    for name, value in fields.items():
        room -= len(name)
        if room <= 0:
            kept["…"] = f"{len(fields) - len(kept)} more fields cut"
            break
        (kept[name],) = _bound_arguments([value]) if _fits(value, room) else [_cut(value, room)]
        room -= len(str(kept[name]))
    return kept


def _fits(value: object, room: int) -> bool:
    """Tell whether a value can be stored, and is short enough.

    orjson refuses most of what no column takes. The rest is looked for only where there may be some, since this is done
    for each record: what is nested deep has many brackets, and a whole number of more than 64 bits has many digits.
    """
    try:
        text = orjson.dumps(value)
    except TypeError:
        return False
    if len(text) > room:
        return False
    is_plain = text.count(b"[") + text.count(b"{") <= MAX_LEVELS and not _LONG_NUMBER.search(text)
    return is_plain or find_value_fault(value, key_length=room) is None


#: What may be a whole number beyond 64 bits.
_LONG_NUMBER = re.compile(rb"\d{19}")


def _cut(value: object, room: int) -> str:
    text = _write(value)
    return text if len(text) <= room else f"{text[:room]}[… {len(text) - room} characters cut …]"


def _write(value: object) -> str:
    try:
        return value if isinstance(value, str) else repr(value)
    except RecursionError:
        return f"<{type(value).__name__} that is nested too deep to be shown>"


def _bound_arguments(arguments: list[Any]) -> list[Any]:
    """Keep arguments that are short plain JSON; else keep each as text, cut to the length of a message in all."""
    if _fits(arguments, MAX_MESSAGE_LENGTH):
        return arguments
    kept: list[Any] = []
    room = MAX_MESSAGE_LENGTH
    for position, argument in enumerate(arguments):
        text = _write(argument)
        if len(text) > room:
            more = len(arguments) - position - 1
            kept.append(f"{text[:room]}[… {len(text) - room} characters and {more} more arguments cut …]")
            break
        kept.append(text)
        room -= len(text)
    return kept
