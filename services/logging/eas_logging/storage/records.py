"""Log records in the database."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import Connection, Select, func, select

from eas.contracts.logs import LogQuery, LogRecord, LogScope, RecordOrder, StoredRecord, StreamEnding
from eas.database.committer import Database
from eas.database.types import count_microseconds
from eas.database.upserts import BulkInsertion
from eas_logging.storage.conditions import RECORD, STREAM, after_record, record_conditions, scope_conditions
from eas_logging.storage.tallies import find_stream_ids, note_endings
from eas_logging.storage.text_index import TextIndex, pass_over

_ADDED = [column.name for column in RECORD.c if column is not RECORD.c.record_id]
_ADD_RECORDS = BulkInsertion(RECORD, _ADDED, ["attempt_id", "stream_id", "sequence"])
#: What a record says, in the order of the table's columns.
_VALUES = itemgetter(*("stream" if name == "stream_id" else name for name in _ADDED))
_STREAM, _TIME, *_JSON = (_ADDED.index(name) for name in ("stream_id", "time", "arguments", "fields"))
_FIELDS = select(*(column for column in RECORD.c if column is not RECORD.c.stream_id), STREAM.c.name.label("stream"))
_FIELDS = _FIELDS.join_from(RECORD, STREAM)


class RecordCatalog:
    """Adds records and finds them."""

    def __init__(self, database: Database, text_index: TextIndex) -> None:
        self._database = database
        self._text_index = text_index

    async def add(self, records: Sequence[LogRecord], endings: Sequence[StreamEnding] = ()) -> int:
        """Add the records that are not there yet, and return how many were new once they are durable."""

        def run(connection: Connection) -> int:
            added = _add(connection, records)
            note_endings(connection, endings)
            return added

        return await self._database.write(run)

    async def index_some(self, most: int) -> int:
        """Make up to `most` records findable by text, and tell how many there were that were not."""
        return await self._database.write(lambda connection: self._text_index.advance(connection, most))

    async def pass_over(self) -> int:
        """Leave the next record that is not findable by text out of the index for good. Returns its id."""
        return await self._database.write(pass_over)

    async def find(self, query: LogQuery) -> list[StoredRecord]:
        """Find records in the order of their time, then id. `LookupError` if ``query.after`` is nowhere."""
        if query.is_search:
            return await self._database.read(lambda connection: self._search(connection, query))
        return await self._database.read(lambda connection: _find(connection, query))

    def _search(self, connection: Connection, query: LogQuery) -> list[StoredRecord]:
        levels = list_levels(connection, query) if query.min_level else None
        return [] if levels == [] else _fetch(connection, self._text_index.find(connection, query, levels))

    async def newest_id(self) -> int:
        """Tell the id of the record that arrived last; 0 if there is none."""
        return await self._database.read(_read_newest)

    async def find_arrivals(self, query: LogQuery, until: int) -> list[StoredRecord]:
        """Find records after the id ``query.after`` and up to `until`, in the order of arrival."""
        return await self._database.read(
            lambda connection: _fetch(connection, self._list_arrivals(connection, query, until))
        )

    async def count_arrivals(self, query: LogQuery, until: int) -> int:
        """Count these, up to ``query.limit``."""
        return await self._database.read(lambda connection: len(self._list_arrivals(connection, query, until)))

    async def find_latest(self, query: LogQuery, until: int) -> int:
        """Find the id after which there are ``query.limit`` matching records up to `until`."""
        newest = query.model_copy(update={"order": RecordOrder.DESCENDING, "after": 0})
        found = await self._database.read(lambda connection: self._list_arrivals(connection, newest, until))
        return found[-1] - 1 if found else until

    def _list_arrivals(self, connection: Connection, query: LogQuery, until: int) -> list[int]:
        if query.is_search:
            levels = list_levels(connection, query) if query.min_level else None
            return [] if levels == [] else self._text_index.find(connection, query, levels, until=until)
        record_id = RECORD.c.record_id
        here = [record_id > query.after, record_id <= until, *scope_conditions(query), *record_conditions(query)]
        if query.min_level:
            here.append(RECORD.c.level + 0 >= query.min_level)
        order = record_id.desc() if query.order is RecordOrder.DESCENDING else record_id
        return list(connection.execute(select(record_id).where(*here).order_by(order).limit(query.limit)).scalars())

    async def count_tasks(self, job_id: int, after: int, limit: int) -> list[tuple[int, int, int]]:
        """Count the records of a job by task and level, task by task: (task, level, count)."""
        return await self._database.read(lambda connection: _count_tasks(connection, job_id, after, limit))

    async def count(self, scope: LogScope) -> dict[int, int]:
        """Count records by level."""
        return await self._database.read(lambda connection: _count(connection, scope))


def _add(connection: Connection, records: Sequence[LogRecord]) -> int:
    """Add the records that are not there yet.

    Returns
    -------
    int
        How many were new. A record whose attempt, stream and sequence are known already changes nothing.
    """
    if not records:
        return 0
    streams = find_stream_ids(connection, {record.stream for record in records})
    return _ADD_RECORDS.add(connection, [_row(record, streams) for record in records])


def _find(connection: Connection, query: LogQuery) -> list[StoredRecord]:
    """Find records in the order of their time, then id.

    Each level is a run of one index that is in order already; the runs are merged, so that the cost is that of the
    page and not that of all matches.

    Raises
    ------
    LookupError
        There is no record of id ``query.after``.
    """
    newest_first = query.order is RecordOrder.DESCENDING
    filters = [*scope_conditions(query), *record_conditions(query)]
    if query.after:
        last = connection.execute(select(RECORD.c.time).where(RECORD.c.record_id == query.after)).scalar_one_or_none()
        if last is None:
            raise LookupError(query.after)
        filters += after_record(query.after, last, newest_first=newest_first)
    keys = (RECORD.c.time, RECORD.c.record_id)
    direction = [key.desc() if newest_first else key.asc() for key in keys]
    runs = []
    for level in list_levels(connection, query):
        statement = select(*keys).where(RECORD.c.level == level, *filters)
        found = connection.execute(statement.order_by(*direction).limit(query.limit))
        runs.append([(row.time, row.record_id) for row in found])
    merged = islice(heapq.merge(*runs, reverse=newest_first), query.limit)
    return _fetch(connection, [record_id for _, record_id in merged])


def _read_newest(connection: Connection) -> int:
    """Read the highest record id; 0 if there is none."""
    return int(connection.execute(select(func.max(RECORD.c.record_id))).scalar_one() or 0)


def _count(connection: Connection, scope: LogScope) -> dict[int, int]:
    """Count records by level."""
    statement: Select[Any] = select(RECORD.c.level, func.count()).where(*scope_conditions(scope))
    statement = statement.group_by(RECORD.c.level)
    return {row[0]: row[1] for row in connection.execute(statement)}


def _count_tasks(connection: Connection, job_id: int, after: int, limit: int) -> list[tuple[int, int, int]]:
    """Count by task and level, for the first `limit` tasks after `after`."""
    task_id, level = RECORD.c.task_id, RECORD.c.level
    in_job = [RECORD.c.job_id == job_id, task_id > after]
    tasks = select(task_id).where(*in_job).distinct().order_by(task_id).limit(limit).subquery()
    statement = select(task_id, level, func.count()).join(tasks, tasks.c.task_id == task_id).where(*in_job)
    found = connection.execute(statement.group_by(task_id, level).order_by(task_id, level))
    return [(row[0], row[1], row[2]) for row in found]


def _row(record: LogRecord, streams: Mapping[str, int]) -> list[object]:
    """Make the row of a record, in the order of the table's columns and in the driver's types."""
    row: list[Any] = list(_VALUES(record.__dict__))
    row[_STREAM] = streams[row[_STREAM]]
    row[_TIME] = count_microseconds(row[_TIME])
    for place in _JSON:
        if row[place] is not None:
            row[place] = orjson.dumps(row[place]).decode()
    return row


def list_levels(connection: Connection, query: LogQuery) -> list[int]:
    """List the levels in scope by stepping through the index from each to the next."""
    level = RECORD.c.level
    scope = scope_conditions(query)
    found: list[int] = []
    least = query.min_level
    while True:
        step = select(level).where(level >= least, *scope).order_by(level).limit(1)
        present = connection.execute(step).scalar_one_or_none()
        if present is None:
            return found
        found.append(present)
        least = present + 1


def _fetch(connection: Connection, record_ids: list[int]) -> list[StoredRecord]:
    rows = connection.execute(_FIELDS.where(RECORD.c.record_id.in_(record_ids))).mappings()
    found = {row["record_id"]: StoredRecord.model_construct(**row) for row in rows}
    return [found[record_id] for record_id in record_ids]
