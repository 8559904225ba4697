"""A job's tasks as an indented tree."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.text import Text

from eas.error_lines import find_error_line
from eas_control.views.text import number_text, plain, state_text

if TYPE_CHECKING:
    from eas.contracts.scheduler import TaskLine


def write_tree(lines: Iterable[TaskLine]) -> Iterable[Text]:
    """One line a task, indented by its level; what it inherits is shown where it is new."""
    inherited: dict[int, dict[str, object]] = {}
    first: int | None = None
    for line in lines:
        first = line.level if first is None else first
        inherited[line.task_id] = line.metadata
        known = inherited.get(line.parent_id, {}) if line.parent_id is not None else {}
        new = {key: value for key, value in line.metadata.items() if key not in known and not key.endswith("_index")}
        yield Text.assemble(
            "  " * (line.level - first),
            (f"{line.task_id} ", "dim"),
            plain(line.task_type),
            f" '{plain(line.name)}'" if line.name else "",
            "".join(f" {plain(key)}={number_text(value)}" for key, value in new.items()),
            "  ",
            state_text(line.state.value),
            f"  ({line.attempts} attempts)" if line.attempts > 1 else "",
            f"  {line.reason.value}" if line.reason else "",
            f": {plain(find_error_line(line.message))}" if line.message else "",
        )
