"""Histories of versions for terminals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from eas_control.views.text import make_table, plain, state_text

if TYPE_CHECKING:
    from rich.table import Table

    from eas.contracts.provenance import ProvenanceGraph, VersionUse


def tabulate_provenance(graph: ProvenanceGraph) -> Table:
    """One line an attempt, in the order in which they were made: what it was, what it read, what it made."""
    names = dict.fromkeys(graph.missing, "(missing)")
    names |= {view.version_id: f"{view.directory}/{view.filename}" for view in graph.versions}
    table = make_table("attempt", "task", "job", "task type", "state", "read", "made", "settings", right=("attempt",))
    for one in graph.attempts:
        table.add_row(
            str(one.attempt_id),
            str(one.task_id),
            str(one.job_id),
            plain(f"{one.task_type} {one.task_type_version or '?'}"),
            state_text(one.state.value),
            _list_uses(one.inputs, names),
            _list_uses(one.outputs, names, marked=graph.version_id),
            plain(json.dumps(one.settings, sort_keys=True)) if one.settings else "-",
        )
    for attempt_id in graph.unknown_attempts:
        made = [view for view in graph.versions if view.attempt_id == attempt_id]
        lines = (f"{'*' if view.version_id == graph.version_id else ''}{view.version_id}" for view in made)
        listed = "\n".join(plain(f"{line} {names[view.version_id]}") for line, view in zip(lines, made, strict=True))
        task, job = (str(made[0].task_id), str(made[0].job_id)) if made else ("-", "-")
        table.add_row(str(attempt_id), task, job, "-", "unknown", "-", listed or "-", "-")
    notes = []
    if graph.unknown_attempts:
        notes.append("The scheduler does not know the unknown attempts: it was restored to an earlier moment.")
    if graph.missing:
        notes.append("The product store does not have the missing versions.")
    if not graph.complete:
        notes.append("The history goes on beyond this depth.")
    table.caption = " ".join(notes) or None
    return table


def _list_uses(uses: Sequence[VersionUse], names: dict[int, str], marked: int | None = None) -> str:
    lines = [
        plain(f"{'*' if use.version_id == marked else ''}{use.version_id} {names.get(use.version_id, use.slot)}")
        for use in uses
    ]
    return "\n".join(lines) or "-"
