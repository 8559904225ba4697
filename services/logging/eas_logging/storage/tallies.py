"""How many records each writer made, and how many of them are there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, case, func, literal_column, select

from eas.contracts.logs import SequenceRange, StreamEnding
from eas.database.committer import Database
from eas.database.upserts import insert_if_absent, insert_or_update
from eas_logging.domain.tally import Tally
from eas_logging.storage.conditions import RECORD, STREAM
from eas_logging.storage.schema import tally_table

TALLY = tally_table
MOST_RANGES = 100


class TallyCatalog:
    """Compares what was emitted with what is stored."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_tallies(self, attempt_id: int) -> list[Tally]:
        """List what is known of each writer of an attempt, by name."""
        return await self._database.read(lambda connection: _list_tallies(connection, attempt_id))


def note_endings(connection: Connection, endings: Sequence[StreamEnding]) -> None:
    """Take note of how much writers emitted. The highest word counts: one that is late or repeated changes nothing."""
    if not endings:
        return
    streams = find_stream_ids(connection, {ending.stream for ending in endings})
    rows = [
        {"attempt_id": ending.attempt_id, "stream_id": streams[ending.stream], "emitted": ending.emitted, "removed": 0}
        for ending in endings
    ]
    connection.execute(insert_or_update(connection.dialect, TALLY, ["attempt_id", "stream_id"], _keep_highest), rows)


def _keep_highest(there: Any, comes: Any) -> dict[str, Any]:
    said = func.coalesce(there.emitted, literal_column("0"))
    return {"emitted": case((comes.emitted > said, comes.emitted), else_=said)}


def find_stream_ids(connection: Connection, names: set[str]) -> dict[str, int]:
    """Find the numbers of writers, adding those that are new."""
    statement = select(STREAM.c.name, STREAM.c.stream_id).where(STREAM.c.name.in_(names))
    known = {row.name: row.stream_id for row in connection.execute(statement)}
    missing = names - known.keys()
    if missing:
        addition = insert_if_absent(connection.dialect, STREAM, ["name"])
        connection.execute(addition, [{"name": name} for name in sorted(missing)])
        known = {row.name: row.stream_id for row in connection.execute(statement)}
        # Where a database has no NUL, it has U+FFFD in its place.
        known |= {name: known[name.replace("\0", "\ufffd")] for name in names - known.keys()}
    return known


def _list_tallies(connection: Connection, attempt_id: int) -> list[Tally]:
    record = RECORD.c
    counted = select(record.stream_id, func.count(), func.max(record.sequence)).where(record.attempt_id == attempt_id)
    stored = {row[0]: (row[1], row[2]) for row in connection.execute(counted.group_by(record.stream_id))}
    said = select(TALLY.c.stream_id, TALLY.c.emitted, TALLY.c.removed).where(TALLY.c.attempt_id == attempt_id)
    known = {row[0]: (row[1], row[2]) for row in connection.execute(said)}
    names = select(STREAM.c.stream_id, STREAM.c.name).where(STREAM.c.stream_id.in_(stored.keys() | known.keys()))
    found = []
    for stream_id, name in connection.execute(names.order_by(STREAM.c.name)):
        count, last = stored.get(stream_id, (0, -1))
        emitted, removed = known.get(stream_id, (None, 0))
        expected = max(emitted or 0, last + 1)
        gaps = _find_gaps(connection, attempt_id, stream_id, expected) if count < expected else []
        found.append(Tally(name, emitted, count, removed, expected, gaps))
    return found


def _find_gaps(connection: Connection, attempt_id: int, stream_id: int, expected: int) -> list[SequenceRange]:
    """List the first ranges of numbers below `expected` that are not there, by walking through the unique index."""
    sequence = RECORD.c.sequence
    here = [RECORD.c.attempt_id == attempt_id, RECORD.c.stream_id == stream_id]
    gaps: list[SequenceRange] = []
    rows = connection.execute(select(sequence).where(*here).order_by(sequence)).scalars()
    for before, following in pairwise((-1, *rows, expected)):
        if following > before + 1:
            gaps.append(SequenceRange(first=before + 1, last=following - 1))
        if len(gaps) == MOST_RANGES:
            break
    return gaps
