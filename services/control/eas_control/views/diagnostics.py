"""Diagnostics for terminals and spreadsheets."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from eas.contracts.diagnostics import JobEnd, StateChange, TableView, WhyView
from eas_control.views.text import (
    OUTCOME_STYLES,
    STATE_STYLES,
    make_table,
    number_text,
    plain,
    state_text,
    styled,
    time_text,
)

if TYPE_CHECKING:
    from rich.table import Table

#: What users read in place of the columns' names; CSV and JSON keep those.
_HEADINGS = {
    "task_type": "type",
    "job_id": "job",
    "job_name": "job name",
    "task_id": "task",
    "task_name": "name",
    "attempt_id": "attempt",
    "worker_id": "worker",
    "wall_time": "wall [s]",
    "cpu_time": "CPU [s]",
    "cpu_time_with_children": "CPU with children [s]",
    "queue_time": "queued [s]",
    "peak_memory": "peak memory [bytes]",
    "read_bytes": "read [bytes]",
    "written_bytes": "written [bytes]",
    "duration": "took [s]",
    "oldest_age": "oldest [s]",
    "age": "age [s]",
    "queued_at": "since",
    "oldest_queued_at": "oldest since",
    "last_heard_at": "last heard",
    "started_at": "start",
    "ended_at": "end",
}


def tabulate(found: TableView) -> Table:
    """Draw any table; columns of numbers are right-aligned, texts end at their first line."""
    flat = found.flatten()
    headings = [_HEADINGS.get(name, plain(name)) for name in flat.columns]
    numeric = {
        heading
        for place, heading in enumerate(headings)
        if all(isinstance(row[place], int | float) or row[place] is None for row in flat.rows)
    }
    table = make_table(*headings, right=tuple(numeric))
    for row in flat.rows:
        table.add_row(*(_write_cell(cell) for cell in row))
    return table


def _write_cell(cell: Any) -> str | Text:
    match cell:
        case datetime():
            return time_text(cell)
        case str() if cell in OUTCOME_STYLES:
            return styled(cell, OUTCOME_STYLES)
        case str() if cell in STATE_STYLES:
            return state_text(cell)
        case str():
            # Of a traceback, the last line is the error.
            return plain(cell.strip().splitlines()[-1]) if cell.strip() else "-"
        case _:
            return number_text(cell)


def write_csv(found: TableView) -> None:
    """Print comma-separated values with a header line."""
    sys.stdout.buffer.write(found.flatten().write_csv().encode())
    sys.stdout.buffer.flush()


def describe_why(why: WhyView) -> Text:
    """Write why a task stands where it does."""
    name = f" {plain(why.name)}" if why.name else ""
    head = f"task {why.task_id}{name} ({plain(why.task_type)}, job {why.job_id}) is "
    return Text.assemble(head, state_text(why.state.value), ". ", plain(why.words))


def describe_change(found: StateChange | JobEnd) -> Text:
    """Write one change in one line."""
    if isinstance(found, JobEnd):
        return Text.assemble(f"job {found.job_id} is ", state_text(found.state.value))
    name = f" {plain(found.task_name)}" if found.task_name else ""
    attempt = "" if found.attempt_id is None else f" attempt {found.attempt_id}"
    reason = "" if found.reason is None else f" ({plain(found.reason)})"
    return Text.assemble(
        (found.at.astimezone().strftime("%H:%M:%S.%f")[:-3], "dim"),
        f" task {found.task_id}{name} ({plain(found.task_type or '-')}){attempt}: ",
        state_text(found.after),
        reason,
    )
