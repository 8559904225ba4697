"""Records as comma-separated values or JSON lines, page by page."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Sequence

import orjson

from eas.contracts.logs import ExportForm, StoredRecord

COLUMNS = (
    "record_id",
    "time",
    "level",
    "job_id",
    "task_id",
    "attempt_id",
    "stream",
    "sequence",
    "host",
    "process_id",
    "logger",
    "message",
    "traceback",
    "fields",
    "template",
    "arguments",
)


async def write_export(
    form: ExportForm, first: Sequence[StoredRecord], rest: AsyncIterator[Sequence[StoredRecord]]
) -> AsyncIterator[bytes]:
    """Write pages of records; `first` was fetched already."""
    if form is ExportForm.CSV:
        yield _write_rows([COLUMNS])
    write = _write_csv if form is ExportForm.CSV else _write_lines
    if first:
        yield write(first)
    async for page in rest:
        if page:
            yield write(page)


def _write_lines(records: Sequence[StoredRecord]) -> bytes:
    return b"".join(record.model_dump_json().encode() + b"\n" for record in records)


def _write_csv(records: Sequence[StoredRecord]) -> bytes:
    return _write_rows([[_cell(getattr(record, name), name) for name in COLUMNS] for record in records])


def _cell(value: object, name: str) -> object:
    if value is None:
        return ""
    if name == "time":
        return value.isoformat().replace("+00:00", "Z")  # type: ignore[attr-defined]
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


def _write_rows(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
