"""Rows of tasks, of the files they promise, and of the edges between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, Update, bindparam, func, select, tuple_, update

from eas.contracts.states import FailureReason, TaskState
from eas.database.engines import find_pipeline
from eas.database.prepared import Answer, Prepared, PreparedForKeys, prepare_insert
from eas_scheduler.domain.attempt import MetDependency, TaskToRun
from eas_scheduler.domain.task import BlockedTask, KnownPromise, NewDependency, NewTask, Promise, ReadyTask
from eas_scheduler.storage.keys import KeyBlocks
from eas_scheduler.storage.rows import CHUNK, StaleRowError, chunks
from eas_scheduler.storage.schema import attempt_table as _attempt
from eas_scheduler.storage.schema import dependency_table as _edge
from eas_scheduler.storage.schema import job_table as _job
from eas_scheduler.storage.schema import product_promise_table as _promise
from eas_scheduler.storage.schema import task_table as _task

_source = _task.alias("source")

_ADD = prepare_insert(
    _task,
    *("id", "job_id", "parent_id", "position", "level", "pointer", "task_type", "name", "job_name"),
    *("working_directory", "metadata", "seed", "state", "unmet", "children", "iteration", "attempts"),
    *("accepted_attempt_id", "execution"),
)
_ADD_PROMISE = prepare_insert(_promise, "id", "task_id", "slot", "directory", "filename", "generation", "version")
_ADD_EDGE = prepare_insert(_edge, "task_id", "kind", "label", "source_id", "promise_id")
_TO_RUN = PreparedForKeys(
    lambda keys: select(
        _task.c.id,
        _task.c.job_id,
        _task.c.task_type,
        _task.c.name,
        _task.c.job_name,
        _task.c.working_directory,
        _task.c.pointer,
        _task.c.level,
        _task.c.metadata,
        _task.c.seed,
        _task.c.parent_id,
        _task.c.iteration,
        _task.c.changed_settings,
        _task.c.execution,
        _job.c.rerun,
    ).where(_task.c.id.in_(keys), _job.c.id == _task.c.job_id)
)
_DEPENDENCIES = PreparedForKeys(
    lambda keys: (
        select(_edge.c.task_id, _edge.c.kind, _edge.c.label, _promise.c.version, _attempt.c.metadata)
        .select_from(
            _edge.join(_source, _source.c.id == _edge.c.source_id)
            .outerjoin(_promise, _promise.c.id == _edge.c.promise_id)
            .outerjoin(_attempt, _attempt.c.id == _source.c.accepted_attempt_id)
        )
        .where(_edge.c.task_id.in_(keys))
    )
)
_OUTPUT = (
    _promise.c.id,
    _promise.c.task_id,
    _promise.c.slot,
    _promise.c.directory,
    _promise.c.filename,
    _promise.c.version,
    _promise.c.generation,
)
_OUTPUTS = PreparedForKeys(lambda keys: select(*_OUTPUT).where(_promise.c.task_id.in_(keys)))
# The same and what follows by attempts, whose tasks are all listed, with NULL where there is nothing.
_OUTPUTS_OF_ATTEMPTS = PreparedForKeys(
    lambda keys: (
        select(_attempt.c.task_id, *_OUTPUT)
        .outerjoin_from(_attempt, _promise, _promise.c.task_id == _attempt.c.task_id)
        .where(_attempt.c.id.in_(keys))
    )
)


def _moving(keys: Sequence[BindParameter[Any]]) -> Update:
    changing = update(_task).where(_task.c.id.in_(keys), _task.c.state == bindparam("before"))
    return changing.values(state=bindparam("after"))


_MOVE = PreparedForKeys(_moving)
_MOVE_AND_COUNT = PreparedForKeys(lambda keys: _moving(keys).values(attempts=_task.c.attempts + 1))
_TRY_AGAIN = PreparedForKeys(
    lambda keys: _moving(keys).values(
        attempts=_task.c.attempts + 1, strikes=bindparam("to_strikes"), losses=bindparam("to_losses")
    )
)
_END = PreparedForKeys(
    lambda keys: _moving(keys).values(
        reason=bindparam("to_reason"),
        message=bindparam("to_message"),
        strikes=bindparam("to_strikes"),
        losses=bindparam("to_losses"),
    )
)
_GIVE_UP = PreparedForKeys(
    lambda keys: _moving(keys).values(reason=FailureReason.TIMEOUT.value, message=bindparam("to_message"))
)
_MARK_DONE = Prepared(
    update(_task)
    .where(_task.c.id == bindparam("key"), _task.c.state == TaskState.RUNNING.value)
    .values(state=TaskState.DONE.value, accepted_attempt_id=bindparam("attempt"), reason=None, message=None)
)
_CONSUMERS = PreparedForKeys(
    lambda keys: select(_edge.c.task_id, func.count()).where(_edge.c.source_id.in_(keys)).group_by(_edge.c.task_id)
)
_CONSUMERS_OF_ATTEMPTS = PreparedForKeys(
    lambda keys: (
        select(_attempt.c.task_id, _edge.c.task_id, func.count())
        .outerjoin_from(_attempt, _edge, _edge.c.source_id == _attempt.c.task_id)
        .where(_attempt.c.id.in_(keys))
        .group_by(_attempt.c.task_id, _edge.c.task_id)
    )
)
_COUNT_DOWN = Prepared(
    update(_task).where(_task.c.id == bindparam("key")).values(unmet=_task.c.unmet - bindparam("met"))
)
_READY = PreparedForKeys(
    lambda keys: (
        select(_task.c.id, _task.c.job_id, _task.c.task_type, _task.c.execution, _job.c.reuse, _task.c.attempts)
        .join(_job, _job.c.id == _task.c.job_id)
        .where(_task.c.id.in_(keys), _task.c.unmet == 0, _task.c.state == TaskState.WAITING.value)
        .order_by(_task.c.id)
    )
)
_SET_VERSION = Prepared(update(_promise).where(_promise.c.id == bindparam("key")).values(version=bindparam("found")))


class TaskStore:
    """Tasks of one transaction."""

    def __init__(self, connection: Connection, keys: KeyBlocks) -> None:
        self._connection = connection
        self._keys = keys
        self._outputs_ahead: Answer | None = None
        self._consumers_ahead: Answer | None = None

    # --- new tasks -----------------------------------------------------------------------------------------------

    def take_ids(self, count: int) -> range:
        """Reserve successive task ids."""
        return self._keys.take(self._connection, "task", count)

    def take_promise_ids(self, count: int) -> range:
        """Reserve successive promise ids."""
        return self._keys.take(self._connection, "promise", count)

    def add(self, tasks: Iterable[NewTask]) -> None:
        """Insert tasks; parents come before their children."""
        _ADD.send(
            self._connection,
            (
                {
                    "id": task.task_id,
                    "job_id": task.job_id,
                    "parent_id": task.parent_id,
                    "position": task.position,
                    "level": task.level,
                    "pointer": task.pointer,
                    "task_type": task.task_type,
                    "name": task.name,
                    "job_name": task.job_name,
                    "working_directory": task.working_directory,
                    "metadata": task.metadata or None,
                    "seed": task.seed,
                    "state": task.state.value,
                    "unmet": task.unmet,
                    "children": task.children,
                    "iteration": task.iteration,
                    "attempts": task.attempts,
                    "accepted_attempt_id": task.accepted_attempt_id,
                    "execution": task.execution,
                }
                for task in tasks
            ),
        )

    def add_promises(self, promises: Sequence[Promise]) -> None:
        """Insert promised products. A name that is already promised is a violation of uniqueness."""
        _ADD_PROMISE.send(
            self._connection,
            (
                {
                    "id": promise.promise_id,
                    "task_id": promise.task_id,
                    "slot": promise.slot,
                    "directory": promise.directory,
                    "filename": promise.filename,
                    "generation": promise.generation,
                    "version": promise.version,
                }
                for promise in promises
            ),
        )

    def add_dependencies(self, edges: Sequence[NewDependency]) -> None:
        """Insert edges."""
        _ADD_EDGE.send(
            self._connection,
            (
                {
                    "task_id": edge.task_id,
                    "kind": edge.kind,
                    "label": edge.label,
                    "source_id": edge.source_id,
                    "promise_id": edge.promise_id,
                }
                for edge in edges
            ),
        )

    def add_children(self, task_id: int, children: int) -> None:
        """Count the children that a flow-control task got."""
        more = update(_task).where(_task.c.id == task_id).values(children=_task.c.children + children)
        self._connection.execute(more)

    def find_parent(self, task_id: int) -> int | None:
        """Find the task that made this one."""
        found: int | None = self._connection.execute(
            select(_task.c.parent_id).where(_task.c.id == task_id)
        ).scalar_one()
        return found

    def find_promises(self, names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[KnownPromise]]:
        """Look products up by (directory, filename): all generations of each, oldest first."""
        found: dict[tuple[str, str], list[KnownPromise]] = {}
        for part in chunks(list(names), CHUNK):
            rows = self._connection.execute(
                select(_promise, _task.c.job_id, _task.c.state, _task.c.task_type)
                .join(_task, _task.c.id == _promise.c.task_id)
                .where(tuple_(_promise.c.directory, _promise.c.filename).in_(part))
                .order_by(_promise.c.directory, _promise.c.filename, _promise.c.generation)
            )
            for row in rows:
                found.setdefault((row.directory, row.filename), []).append(
                    KnownPromise(
                        row.id,
                        row.task_id,
                        row.slot,
                        row.directory,
                        row.filename,
                        row.version,
                        row.generation,
                        row.job_id,
                        TaskState(row.state),
                        row.task_type,
                    )
                )
        return found

    def find_states(self, task_ids: Iterable[int]) -> dict[int, TaskState]:
        """Look up the states of tasks, as those see them who need their files: an excused one failed to make them."""
        found: dict[int, TaskState] = {}
        for part in chunks(list(task_ids), CHUNK):
            query = select(_task.c.id, _task.c.state, _task.c.excuse).where(_task.c.id.in_(part))
            rows = self._connection.execute(query)
            found |= {row.id: TaskState.FAILED if row.excuse else TaskState(row.state) for row in rows}
        return found

    # --- running -------------------------------------------------------------------------------------------------

    def find_to_run(self, task_ids: Sequence[int]) -> dict[int, TaskToRun]:
        """Fetch what a worker, or an expansion, must know of these tasks."""
        return {row[0]: _to_run(row) for row in _TO_RUN.fetch(self._connection, task_ids)}

    def find_dependencies(self, task_ids: Sequence[int]) -> list[MetDependency]:
        """Fetch the accepted versions and metadata that these tasks depend on."""
        return [_met(row) for row in _DEPENDENCIES.fetch(self._connection, task_ids)]

    def prefetch_outcomes(self, attempt_ids: Sequence[int]) -> None:
        """Ask what `find_outputs` and `release_consumers` will want to know of the tasks of these attempts.

        It is worth it only where it goes with the next question, and holds until edges or promises are added.
        """
        if find_pipeline(self._connection) is not None:
            self._outputs_ahead = _OUTPUTS_OF_ATTEMPTS.ask(self._connection, attempt_ids)
            self._consumers_ahead = _CONSUMERS_OF_ATTEMPTS.ask(self._connection, attempt_ids)

    def find_outputs(self, task_ids: Sequence[int]) -> list[Promise]:
        """Fetch the products that these tasks promise."""
        ahead, self._outputs_ahead = self._outputs_ahead, None
        found = _take_prefetched(ahead, task_ids)
        rows = _OUTPUTS.fetch(self._connection, task_ids) if found is None else [row[1:] for row in found]
        return [Promise(*row) for row in rows]

    def find_material(self, task_ids: Sequence[int]) -> tuple[dict[int, TaskToRun], list[MetDependency], list[Promise]]:
        """Fetch at once what `find_to_run`, `find_dependencies` and `find_outputs` fetch."""
        tasks, met, promises = (
            statement.ask(self._connection, task_ids) for statement in (_TO_RUN, _DEPENDENCIES, _OUTPUTS)
        )
        to_run = {row[0]: _to_run(row) for row in tasks()}
        return to_run, [_met(row) for row in met()], [Promise(*row) for row in promises()]

    def mark_running(self, task_ids: Sequence[int]) -> None:
        """Queued to running, for the tasks of attempts that were just claimed."""
        self._move(task_ids, TaskState.QUEUED, TaskState.RUNNING)

    def mark_done(self, accepted: Mapping[int, int]) -> None:
        """Running to done, with the accepted attempt of each task.

        Two reports of the same task cannot both win: the second finds the task no longer running and is refused.
        """
        rows = [{"key": task_id, "attempt": attempt_id} for task_id, attempt_id in accepted.items()]
        _MARK_DONE.send(self._connection, rows, StaleRowError.expecting(len(accepted), "task"))

    def mark_queued_again(self, task_id: int, *, strikes: int, losses: int) -> None:
        """Running to queued: another attempt follows."""
        self._move([task_id], TaskState.RUNNING, TaskState.QUEUED, _TRY_AGAIN, to_strikes=strikes, to_losses=losses)

    def mark_overdue(self, task_ids: Sequence[int], message: str) -> None:
        """Queued to failed: nobody took them in time."""
        self._move(task_ids, TaskState.QUEUED, TaskState.FAILED, _GIVE_UP, to_message=message)

    def mark_ended(
        self, task_id: int, state: TaskState, *, reason: FailureReason, message: str, strikes: int, losses: int
    ) -> None:
        """Running to failed or cancelled: only a user's wish can change that."""
        values = {"to_reason": reason.value, "to_message": message, "to_strikes": strikes, "to_losses": losses}
        self._move([task_id], TaskState.RUNNING, state, _END, **values)

    def mark_queued(self, task_ids: Sequence[int]) -> None:
        """Waiting to queued: everything that the tasks depend on is there."""
        self._move(task_ids, TaskState.WAITING, TaskState.QUEUED, _MOVE_AND_COUNT)

    def release_consumers(self, source_ids: Sequence[int]) -> list[ReadyTask]:
        """Count down what depends on tasks that are done, and list what has become ready."""
        edges = self._count_edges(source_ids)
        _COUNT_DOWN.send(self._connection, [{"key": task_id, "met": count} for task_id, count in edges.items()])
        return [ReadyTask(*row) for row in _READY.fetch(self._connection, sorted(edges))]

    def _count_edges(self, source_ids: Sequence[int]) -> Counter[int]:
        """Count, for each task that depends on these, how often it does."""
        edges: Counter[int] = Counter()
        ahead, self._consumers_ahead = self._consumers_ahead, None
        found = _take_prefetched(ahead, source_ids)
        rows = _CONSUMERS.fetch(self._connection, source_ids) if found is None else [row[1:] for row in found]
        for task_id, count in rows:
            edges[task_id] += count
        return edges

    def block_consumers(self, causes: Mapping[int, int]) -> list[BlockedTask]:
        """Waiting to blocked, for all that depends, directly or through others, on tasks that will not be done.

        Parameters
        ----------
        causes
            Those tasks, each with the one that is the cause: itself, unless it is blocked.
        """
        blocked: list[BlockedTask] = []
        frontier = dict(causes)
        while frontier:
            rows: list[Any] = []
            for part in chunks(list(frontier), CHUNK):
                rows += self._connection.execute(
                    select(_task.c.id, _task.c.job_id, func.min(_edge.c.source_id).label("source"))
                    .select_from(_edge.join(_task, _task.c.id == _edge.c.task_id))
                    .where(_edge.c.source_id.in_(part), _task.c.state == TaskState.WAITING.value)
                    .group_by(_task.c.id, _task.c.job_id)
                ).all()
            found = {row.id: BlockedTask(row.id, row.job_id, frontier[row.source]) for row in rows}
            if not found:
                break
            result = self._connection.execute(
                update(_task)
                .where(_task.c.id == bindparam("key"), _task.c.state == TaskState.WAITING.value)
                .values(state=TaskState.BLOCKED.value, blocked_by=bindparam("cause")),
                [{"key": task.task_id, "cause": task.cause} for task in found.values()],
            )
            StaleRowError.check(result.rowcount, len(found), "task")
            blocked.extend(found.values())
            frontier = {task.task_id: task.cause for task in found.values()}
        return blocked

    def set_versions(self, versions: Mapping[int, dict[str, Any]]) -> None:
        """Give promised products the version that their readers get from now on."""
        rows = [{"key": promise_id, "found": version} for promise_id, version in versions.items()]
        _SET_VERSION.send(self._connection, rows)

    def _move(
        self,
        task_ids: Sequence[int],
        before: TaskState,
        after: TaskState,
        statement: PreparedForKeys = _MOVE,
        **values: Any,
    ) -> None:
        values |= {"before": before.value, "after": after.value}
        statement.send(self._connection, task_ids, values, StaleRowError.expecting(len(task_ids), "task"))


def _take_prefetched(ahead: Answer | None, task_ids: Sequence[int]) -> list[Sequence[Any]] | None:
    """Take the rows of these tasks, which are named in the first column; None if one of them was not foreseen."""
    if ahead is None:
        return None
    rows, wanted = ahead(), frozenset(task_ids)
    if not wanted <= {row[0] for row in rows}:
        return None
    return [row for row in rows if row[0] in wanted and row[1] is not None]


def _to_run(row: Sequence[Any]) -> TaskToRun:
    task_id, job_id, task_type, name, job_name, directory, pointer, level, metadata, seed, *rest = row
    parent_id, iteration, changed_settings, execution, rerun = rest
    return TaskToRun(
        task_id=task_id,
        job_id=job_id,
        task_type=task_type,
        name=name,
        job_name=job_name,
        working_directory=directory,
        pointer=tuple(pointer),
        level=level,
        metadata=metadata or {},
        seed=seed,
        parent_id=parent_id,
        iteration=iteration,
        changed_settings=changed_settings or {},
        rerun=rerun,
        execution=execution,
    )


def _met(row: Sequence[Any]) -> MetDependency:
    task_id, kind, label, version, metadata = row
    return MetDependency(task_id, kind, label, version, metadata or {})
