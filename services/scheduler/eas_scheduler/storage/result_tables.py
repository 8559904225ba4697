"""Tables of what tasks inherited against what became of them, page by page in the order of jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, select

from eas.contracts.diagnostics import (
    OUTCOME_COLUMNS,
    TIMING_COLUMNS,
    Cell,
    JobFilter,
    ResultTable,
    ResultTables,
    sorting_key,
)
from eas.contracts.errors import InvalidInputError
from eas.contracts.states import TaskState
from eas.database.committer import Database
from eas_scheduler.domain.job_language.flow_types import FLOW_TYPES
from eas_scheduler.storage.diagnostics import check_job
from eas_scheduler.storage.schema import attempt_table as _attempt
from eas_scheduler.storage.schema import job_table as _job
from eas_scheduler.storage.schema import task_table as _task

_OUTCOMES = frozenset({"PASS", "FAIL", "UNDEFINED"})
#: Longer values are not parameters but texts.
_MOST_CHARACTERS = 25
#: One page looks into no more jobs than this.
_MOST_JOBS = 100


@dataclass(frozen=True)
class _Line:
    job_id: int
    job_name: str | None
    task_type: str
    parameters: dict[str, Cell]
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class _Kind:
    """One of the two kinds of table: what is read, by which key pages go on, and what a row becomes."""

    query: Select[Any]
    job_id: Any
    key: Any
    task_type: Any
    columns: Sequence[str]
    read: Callable[[Any], tuple[Cell, ...] | None]


class ResultTableReader:
    """Reads outcomes and timings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_outcomes(self, chosen: JobFilter, *, after: str | None, limit: int) -> ResultTables:
        """List the outcome that the accepted attempt of each task gave; tasks that gave none are left out.

        Raises
        ------
        NotFoundError
            There is no such job.
        InvalidInputError
            `after` is not the `next_after` of a page.
        """
        return await self._read(_OUTCOME, chosen, after, limit)

    async def read_timings(self, chosen: JobFilter, *, after: str | None, limit: int) -> ResultTables:
        """List the times [s] of every attempt, unfinished ones included. Raises as `read_outcomes` does."""
        return await self._read(_TIMING, chosen, after, limit)

    async def _read(self, kind: _Kind, chosen: JobFilter, after: str | None, limit: int) -> ResultTables:
        job_id, key = _parse_cursor(after)

        def query(connection: Connection) -> ResultTables:
            check_job(connection, chosen)
            lines, cursor = _scan(connection, kind, chosen, (job_id, key), limit)
            return ResultTables(tables=_tabulate(lines, kind.columns), next_after=cursor)

        return await self._database.read(query)


def _parse_cursor(after: str | None) -> tuple[int, int]:
    if after is None:
        return 0, 0
    parts = after.split(".")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
        raise InvalidInputError("expected the `next_after` of the page before", where="query.after")
    return int(parts[0]), int(parts[1])


def _scan(
    connection: Connection, kind: _Kind, chosen: JobFilter, start: tuple[int, int], limit: int
) -> tuple[list[_Line], str | None]:
    """Read `limit` rows, job by job, and say where the next page begins. Rows without a line count as read."""
    jobs = select(_job.c.id, _job.c.name).where(_job.c.id >= start[0]).order_by(_job.c.id).limit(_MOST_JOBS + 1)
    if chosen.job_id is not None:
        jobs = jobs.where(_job.c.id == chosen.job_id)
    if chosen.job_name is not None:
        jobs = jobs.where(_job.c.name == chosen.job_name)
    found = connection.execute(jobs).all()
    lines: list[_Line] = []
    for job_id, job_name in found[:_MOST_JOBS]:
        after = start[1] if job_id == start[0] else 0
        query = kind.query.where(kind.job_id == job_id, kind.key > after).order_by(kind.key).limit(limit + 1)
        if chosen.task_type is not None:
            query = query.where(kind.task_type == chosen.task_type)
        rows = connection.execute(query).all()
        for row in rows[:limit]:
            cells = kind.read(row)
            if cells is not None and row.task_type not in FLOW_TYPES:
                lines.append(_Line(job_id, job_name, row.task_type, _parameters(row.inherited, kind.columns), cells))
        if len(rows) > limit:
            return lines, f"{job_id}.{rows[limit - 1].key}"
        limit -= len(rows)
        if limit <= 0:
            return lines, f"{job_id}.{rows[-1].key}"
    return lines, f"{found[_MOST_JOBS].id}.0" if len(found) > _MOST_JOBS else None


def _parameters(inherited: dict[str, Any] | None, own: Sequence[str]) -> dict[str, Cell]:
    """Keep what was inherited and is short enough to be a parameter, under a name that no column of the table has."""
    return {
        f"inherited.{name}" if name in own else name: value
        for name, value in (inherited or {}).items()
        if value is None or (isinstance(value, bool | int | float | str) and len(str(value)) <= _MOST_CHARACTERS)
    }


def _tabulate(lines: Sequence[_Line], own: Sequence[str]) -> list[ResultTable]:
    groups: dict[tuple[int, str], list[_Line]] = {}
    for line in lines:
        groups.setdefault((line.job_id, line.task_type), []).append(line)
    tables = []
    for (job_id, task_type), found in sorted(groups.items()):
        names = sorted({name for line in found for name in line.parameters})
        rows = [[*(line.parameters.get(name) for name in names), *line.cells] for line in found]
        rows.sort(key=lambda row: [sorting_key(cell) for cell in row])
        tables.append(
            ResultTable(
                job_id=job_id, job_name=found[0].job_name, task_type=task_type, columns=[*names, *own], rows=rows
            )
        )
    return tables


def _read_outcome(row: Any) -> tuple[Cell, ...] | None:
    outcome = (row.result or {}).get("outcome")
    if outcome is None:
        return None
    known = outcome if isinstance(outcome, str) and outcome in _OUTCOMES else "UNDEFINED"
    return (known, row.key, row.attempt_id)


def _read_timing(row: Any) -> tuple[Cell, ...]:
    waited = None if row.claimed_at is None else (row.claimed_at - row.queued_at).total_seconds()
    times = (row.wall_time, row.cpu_time, row.cpu_time_with_children, waited)
    return (row.state, *times, row.peak_memory, row.read_bytes, row.written_bytes, row.task_id, row.key)


_OUTCOME = _Kind(
    query=select(
        _task.c.id.label("key"),
        _task.c.task_type,
        _task.c.metadata.label("inherited"),
        _attempt.c.id.label("attempt_id"),
        _attempt.c.metadata.label("result"),
    )
    .select_from(_task.join(_attempt, _attempt.c.id == _task.c.accepted_attempt_id))
    .where(_task.c.state == TaskState.DONE.value),
    job_id=_task.c.job_id,
    key=_task.c.id,
    task_type=_task.c.task_type,
    columns=OUTCOME_COLUMNS,
    read=_read_outcome,
)
_TIMING = _Kind(
    query=select(
        _attempt.c.id.label("key"),
        _attempt.c.task_id,
        _attempt.c.task_type,
        _task.c.metadata.label("inherited"),
        _attempt.c.state,
        _attempt.c.wall_time,
        _attempt.c.cpu_time,
        _attempt.c.cpu_time_with_children,
        _attempt.c.peak_memory,
        _attempt.c.read_bytes,
        _attempt.c.written_bytes,
        _attempt.c.queued_at,
        _attempt.c.claimed_at,
    ).select_from(_attempt.join(_task, _task.c.id == _attempt.c.task_id)),
    job_id=_attempt.c.job_id,
    key=_attempt.c.id,
    task_type=_attempt.c.task_type,
    columns=TIMING_COLUMNS,
    read=_read_timing,
)
