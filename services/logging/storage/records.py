"""Log records in the database."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, func, or_, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine.default import DefaultDialect

from services.logging.storage.schema import RecordRow, StreamRow
from shared.contracts.logs import LogQuery, LogRecord, LogScope, RecordOrder, StoredRecord
from shared.database.engine import Database
from shared.database.types import Json, UtcTime

_RECORD: Table = RecordRow.__table__  # type: ignore[attr-defined]
_STREAM: Table = StreamRow.__table__  # type: ignore[attr-defined]

_ADD_RECORD = insert(_RECORD).on_conflict_do_nothing(index_elements=["attempt_id", "stream_id", "sequence"])
_TIME, _JSON, _ANY_DIALECT = UtcTime(), Json(), DefaultDialect()
_ADDED = [column.name for column in _RECORD.c if column is not _RECORD.c.record_id]
_ADD_STREAM = insert(_STREAM).on_conflict_do_nothing(index_elements=["name"])
_FIELDS = select(*(column for column in _RECORD.c if column is not _RECORD.c.stream_id), _STREAM.c.name.label("stream"))
_FIELDS = _FIELDS.join_from(_RECORD, _STREAM)


class RecordCatalog:
    """Adds records and finds them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, records: Sequence[LogRecord]) -> int:
        """Add the records that are not there yet, and return how many were new once they are durable."""
        return await self._database.write(lambda connection: _add(connection, records))

    async def find(self, query: LogQuery) -> list[StoredRecord]:
        """Find records in the order of their time, then id. `LookupError` if ``query.after`` is nowhere."""
        return await self._database.read(lambda connection: _find(connection, query))

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
    streams = _stream_ids(connection, {record.stream for record in records})
    rows = [_row(record, streams[record.stream]) for record in records]
    # The driver's own executemany: SQLAlchemy's handling of parameters would take longer than the insertion.
    statement = _ADD_RECORD.compile(connection.engine, column_keys=_ADDED)
    return connection.exec_driver_sql(str(statement), rows).rowcount


def _find(connection: Connection, query: LogQuery) -> list[StoredRecord]:
    """Find records in the order of their time, then id.

    Each level is a run of one index that is in order already; the runs are merged, so that the cost is that of the
    page and not that of all matches.

    Raises
    ------
    LookupError
        There is no record of id ``query.after``.
    """
    filters = _filters(connection, query)
    newest_first = query.order is RecordOrder.DESCENDING
    keys = (_RECORD.c.time, _RECORD.c.record_id)
    direction = [key.desc() if newest_first else key.asc() for key in keys]
    runs = []
    for level in _levels(connection, query):
        statement = select(*keys).where(_RECORD.c.level == level, *filters)
        found = connection.execute(statement.order_by(*direction).limit(query.limit))
        runs.append([(row.time, row.record_id) for row in found])
    merged = islice(heapq.merge(*runs, reverse=newest_first), query.limit)
    return _fetch(connection, [record_id for _, record_id in merged])


def _count(connection: Connection, scope: LogScope) -> dict[int, int]:
    """Count records by level."""
    statement: Select[Any] = select(_RECORD.c.level, func.count()).where(*_scope(scope)).group_by(_RECORD.c.level)
    return {row[0]: row[1] for row in connection.execute(statement)}


def _stream_ids(connection: Connection, names: set[str]) -> dict[str, int]:
    """Find the numbers of writers, adding those that are new."""
    statement = select(_STREAM.c.name, _STREAM.c.stream_id).where(_STREAM.c.name.in_(names))
    known = {row.name: row.stream_id for row in connection.execute(statement)}
    missing = names - known.keys()
    if missing:
        connection.execute(_ADD_STREAM, [{"name": name} for name in sorted(missing)])
        known = {row.name: row.stream_id for row in connection.execute(statement)}
    return known


def _row(record: LogRecord, stream_id: int) -> tuple[object, ...]:
    """Make the row of a record, in the order of the table's columns and in the driver's types."""
    return (
        record.attempt_id,
        record.task_id,
        record.job_id,
        stream_id,
        record.sequence,
        _TIME.process_bind_param(record.time, _ANY_DIALECT),
        record.level,
        record.logger,
        record.message,
        record.template,
        _JSON.process_bind_param(record.arguments, _ANY_DIALECT),
        record.traceback,
        record.host,
        record.process_id,
    )


def _scope(scope: LogScope) -> list[ColumnElement[bool]]:
    """Make the conditions of a scope. Only the narrowest may use an index: a job's run can be a million long."""
    given = [
        (column, wanted)
        for column, wanted in (
            (_RECORD.c.attempt_id, scope.attempt_id),
            (_RECORD.c.task_id, scope.task_id),
            (_RECORD.c.job_id, scope.job_id),
        )
        if wanted is not None
    ]
    return [column == wanted for column, wanted in given[:1]] + [column + 0 == wanted for column, wanted in given[1:]]


def _filters(connection: Connection, query: LogQuery) -> list[ColumnElement[bool]]:
    filters = _scope(query)
    time, record_id = _RECORD.c.time, _RECORD.c.record_id
    if query.since is not None:
        filters.append(time >= query.since)
    if query.until is not None:
        filters.append(time < query.until)
    if query.stream is not None:
        named = select(_STREAM.c.stream_id).where(_STREAM.c.name == query.stream).scalar_subquery()
        filters.append(_RECORD.c.stream_id == named)
    if query.after:
        last = connection.execute(select(time).where(record_id == query.after)).scalar_one_or_none()
        if last is None:
            raise LookupError(query.after)
        if query.order is RecordOrder.DESCENDING:
            filters += [time <= last, or_(time < last, and_(time == last, record_id < query.after))]
        else:
            filters += [time >= last, or_(time > last, and_(time == last, record_id > query.after))]
    return filters


def _levels(connection: Connection, query: LogQuery) -> list[int]:
    """List the levels in scope by stepping through the index from each to the next."""
    level = _RECORD.c.level
    scope = _scope(query)
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
    rows = connection.execute(_FIELDS.where(_RECORD.c.record_id.in_(record_ids))).mappings()
    found = {row["record_id"]: StoredRecord.model_construct(**row) for row in rows}
    return [found[record_id] for record_id in record_ids]
