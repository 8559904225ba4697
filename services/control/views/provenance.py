"""Histories of versions for terminals."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.table import Table

from services.control.views.text import make_table, plain, state_text
from shared.contracts.provenance import ProvenanceGraph, VersionUse


def tabulate_provenance(graph: ProvenanceGraph) -> Table:
    """One line an attempt, in the order in which they were made: what it was, what it read, what it made."""
    names = {view.version_id: f"{view.directory}/{view.filename}" for view in graph.versions}
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
    if not graph.complete:
        table.caption = "The history goes on beyond this depth."
    return table


def _list_uses(uses: Sequence[VersionUse], names: dict[int, str], marked: int | None = None) -> str:
    lines = [
        plain(f"{'*' if use.version_id == marked else ''}{use.version_id} {names.get(use.version_id, use.slot)}")
        for use in uses
    ]
    return "\n".join(lines) or "-"
