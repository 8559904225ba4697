"""Task trees in pre-order, page by page, without ever reading more of a job than the page shows."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Integer, bindparam, select

from eas.contracts.errors import InvalidInputError, NotFoundError
from eas.contracts.scheduler import TaskLine, TaskPage
from eas_scheduler.domain.tree_place import TreePlace
from eas_scheduler.storage.schema import IS_LEASED
from eas_scheduler.storage.schema import attempt_table as _attempt
from eas_scheduler.storage.schema import task_table as _task

_COLUMNS = [
    _task.c[name]
    for name in (
        *("id", "parent_id", "position", "level", "task_type", "name", "state", "metadata"),
        *("attempts", "reason", "message", "excuse", "children"),
    )
]
_CHILDREN = (
    select(*_COLUMNS)
    .where(_task.c.parent_id == bindparam("parent"), _task.c.position >= bindparam("start"))
    .order_by(_task.c.position)
    .limit(bindparam("most", type_=Integer))
)
_above = (
    select(_task.c.id, _task.c.parent_id)
    .where(_task.c.id.in_(select(_attempt.c.task_id).where(IS_LEASED, _attempt.c.job_id == bindparam("job"))))
    .cte("above", recursive=True)
)
_above = _above.union(select(_task.c.id, _task.c.parent_id).join(_above, _task.c.id == _above.c.parent_id))
_RUNNING = select(*_COLUMNS).join(_above, _above.c.id == _task.c.id)


@dataclass
class _Frame:
    """Children of one task that are still to be listed: those already read, and then those from a position on."""

    parent_id: int
    position: int
    path: tuple[int, ...]
    rows: deque[Any] = field(default_factory=deque)


class TreeReader:
    """Reads the tree of one job.

    A page's cursor is the path of positions from the root to the last task listed, such as ``0.12.3``.
    """

    def __init__(self, connection: Connection, job_id: int, root: int) -> None:
        self._connection = connection
        self._job_id = job_id
        self._root = root

    def read(self, place: TreePlace) -> TaskPage:
        """Read one page of the tasks below and including the root.

        Raises
        ------
        NotFoundError
            The job has no such task.
        InvalidInputError
            The cursor is malformed.
        """
        top, root, max_depth, limit, after = self._find_root(), self._root, place.max_depth, place.limit, place.after
        lines: list[tuple[TaskLine, tuple[int, ...]]] = []
        stack: list[_Frame] = []
        if after is None:
            lines.append((_line(top), ()))
            if max_depth > 0 and top.children:
                stack.append(_Frame(root, 0, ()))
        else:
            stack = self._resume(root, _read_cursor(after), max_depth)
        while stack and len(lines) <= limit:
            frame = stack[-1]
            if not frame.rows:
                frame.rows.extend(self._children(frame, limit + 1 - len(lines)))
            if not frame.rows:
                stack.pop()
                continue
            row = frame.rows.popleft()
            path = (*frame.path, row.position)
            lines.append((_line(row), path))
            frame.position = row.position + 1
            if row.children and len(path) < max_depth:
                stack.append(_Frame(row.id, 0, path))
        return _make_page(lines, limit)

    def read_running(self, place: TreePlace) -> TaskPage:
        """Read one page of what runs below and including the root, and of the tasks above that. Raises like `read`.

        What is read grows with the number of tasks that run, not with the job.
        """
        self._find_root()
        rows = {row.id: row for row in self._connection.execute(_RUNNING, {"job": self._job_id})}
        after = None if place.after is None else _read_cursor(place.after)
        found: list[tuple[TaskLine, tuple[int, ...]]] = []
        for row in rows.values():
            path = _find_path(row, rows, self._root)
            if path is not None and len(path) <= place.max_depth and (after is None or path > after):
                found.append((_line(row), path))
        found.sort(key=lambda pair: pair[1])
        return _make_page(found, place.limit)

    def _find_root(self) -> Any:
        query = select(*_COLUMNS).where(_task.c.id == self._root, _task.c.job_id == self._job_id)
        row = self._connection.execute(query).one_or_none()
        if row is None:
            raise NotFoundError(f"job {self._job_id} has no task {self._root}", where="query.root")
        return row

    def _children(self, frame: _Frame, limit: int) -> list[Any]:
        values = {"parent": frame.parent_id, "start": frame.position, "most": limit}
        return list(self._connection.execute(_CHILDREN, values).all())

    def _resume(self, root: int, path: tuple[int, ...], max_depth: int) -> list[_Frame]:
        """Rebuild the frames as they were after the task at `path` had been listed."""
        stack: list[_Frame] = []
        parent_id = root
        for depth, position in enumerate(path):
            stack.append(_Frame(parent_id, position + 1, path[:depth]))
            query = select(_task.c.id).where(_task.c.parent_id == parent_id, _task.c.position == position)
            found = self._connection.execute(query).scalar_one_or_none()
            if found is None:
                raise InvalidInputError("the cursor names no task of this tree", where="query.after")
            parent_id = found
        if len(path) < max_depth:
            stack.append(_Frame(parent_id, 0, path))
        return stack


def _find_path(row: Any, rows: Mapping[int, Any], root: int) -> tuple[int, ...] | None:
    """Find the positions that lead from the root down to a task; None if it is not below the root."""
    path: list[int] = []
    while row.id != root:
        if row.parent_id is None:
            return None
        path.append(row.position)
        row = rows[row.parent_id]
    return tuple(reversed(path))


def _make_page(lines: Sequence[tuple[TaskLine, tuple[int, ...]]], limit: int) -> TaskPage:
    """Make a page of lines, of which there may be more than it takes."""
    shown = lines[:limit]
    cursor = ".".join(map(str, shown[-1][1])) if len(lines) > limit and shown else None
    return TaskPage(items=[line for line, _ in shown], next_after=cursor)


def _read_cursor(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(".")) if text else ()
    except ValueError:
        raise InvalidInputError(f"not a cursor: {text!r}", where="query.after") from None


def _line(row: Any) -> TaskLine:
    return TaskLine(
        task_id=row.id,
        parent_id=row.parent_id,
        level=row.level,
        task_type=row.task_type,
        name=row.name,
        state=row.state,
        metadata=row.metadata or {},
        attempts=row.attempts,
        reason=row.reason,
        message=row.message,
        excuse=row.excuse,
        children=row.children,
    )
