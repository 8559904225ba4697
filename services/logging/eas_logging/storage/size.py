"""How many records there are, and how much room they take.

A server gives room back in its own time, long after records were removed, so the size of its tables does not tell when
enough has gone. There the room is an estimate: the number of records, times what one of them takes.
"""

from __future__ import annotations

import time

from sqlalchemy import ColumnElement, Connection, func, literal, select, union_all

from eas_logging.storage.conditions import RECORD

#: How many records at either end are looked at for their size.
_SAMPLE = 500
#: What a record takes besides its texts, in the table, its indexes and that of words [bytes].
_BESIDES_TEXTS = 700
#: How often a server's records are counted anew, which goes through an index [s].
_COUNT_SECONDS = 60

_TEXTS = [RECORD.c[name] for name in ("message", "template", "arguments", "traceback", "fields")]


class RecordSize:
    """Measures a database. A server's records are counted now and then, and what comes and goes in between."""

    def __init__(self) -> None:
        self._count = 0
        self._counted_to = 0
        self._counted_at: float | None = None

    def note_removed(self, count: int) -> None:
        """Hear that so many records have gone."""
        self._count -= count

    def measure(self, connection: Connection) -> tuple[int, int]:
        """Tell how many records there are, about, and how much the database holds [bytes]."""
        if connection.dialect.name == "sqlite":
            return _measure_file(connection)
        now = time.monotonic()
        if self._counted_at is None or now > self._counted_at + _COUNT_SECONDS:
            self._count, self._counted_to, self._counted_at = 0, 0, now
        came = select(func.count(), func.max(RECORD.c.record_id)).where(RECORD.c.record_id > self._counted_to)
        count, last = connection.execute(came).one()
        self._count, self._counted_to = max(self._count, 0) + count, last or self._counted_to
        return self._count, self._count * _measure_one(connection)


def _measure_file(connection: Connection) -> tuple[int, int]:
    pages, free, size = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_count", "freelist_count", "page_size")
    )
    # Each by itself is a look at one end of the table; both in one statement would read all of it.
    first, last = (connection.execute(select(end(RECORD.c.record_id))).scalar_one() for end in (func.min, func.max))
    return (0 if last is None else last - first + 1), (pages - free) * size


def _measure_one(connection: Connection) -> int:
    """Tell how much a record takes, its words included: those take about as much as the texts."""
    # PostgreSQL tells what is left of a long text once it is packed.
    measure = func.pg_column_size if connection.dialect.name == "postgresql" else func.octet_length
    size: ColumnElement[int] = sum((func.coalesce(measure(column), 0) for column in _TEXTS), literal(0))
    keys = (RECORD.c.record_id.asc(), RECORD.c.record_id.desc())
    ends = [select(size.label("size")).order_by(key).limit(_SAMPLE).subquery() for key in keys]
    sample = union_all(*(select(end.c.size) for end in ends)).subquery()
    mean = connection.execute(select(func.avg(sample.c.size))).scalar_one()
    return _BESIDES_TEXTS + 2 * round(mean or 0)
