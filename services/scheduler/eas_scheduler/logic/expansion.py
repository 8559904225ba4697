"""Carries plans out: inserts the tasks of an expansion with edges, promises and first attempts, all or nothing."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_hex
from typing import Any, TypeVar

import orjson

from eas.contracts.errors import EasError, InvalidJobError, Problem, ProductExistsError
from eas.contracts.execution import ExecutionRules
from eas.contracts.metadata import Metadata
from eas.contracts.scheduler import AttemptReport
from eas.contracts.states import AttemptState, FailureReason, TaskState
from eas.isolation import is_passing
from eas_scheduler.domain.attempt import QueuedAttempt, TaskToRun
from eas_scheduler.domain.job_language.document import resolve_pointer
from eas_scheduler.domain.job_language.expansion import expand
from eas_scheduler.domain.job_language.flow_types import FLOW_TYPES
from eas_scheduler.domain.job_language.plan import FlowTask, Plan
from eas_scheduler.domain.job_language.problems import ProblemList, json_path
from eas_scheduler.domain.job_mode import JobMode, choose_promise, find_claim_fault
from eas_scheduler.domain.policies import RetryLimits
from eas_scheduler.domain.rules import NO_RULES, complete_rules, queue_attempt
from eas_scheduler.domain.task import FILE, METADATA, NewDependency, NewTask, Promise
from eas_scheduler.domain.task_settings import TaskTypeSpecification
from eas_scheduler.logic.faulty_attempts import FaultyAttempts
from eas_scheduler.logic.ports import Transactor, UnitOfWork
from eas_scheduler.logic.progress import SCHEDULER, block_what_follows, settle, take_attempts
from eas_scheduler.logic.wakeups import Wakeups

T = TypeVar("T")

logger = logging.getLogger(__name__)

_ANNOUNCED_AT_ONCE = 500
#: Metadata of one message to the product store: servers of databases and brokers bound what they take at once [bytes].
_BYTES_AT_ONCE = 1 << 20
#: A loop holds chains, and each chain ends with the test for the next, which spawns on behalf of the loop.
_LEVELS_BELOW_ITS_LOOP = 2
#: After how many steps of working a plan out the database is told that somebody does: less than a second's work.
_STEPS_BETWEEN_SIGNS = 20_000
_FAILED_FOR_GOOD = frozenset({TaskState.FAILED, TaskState.BLOCKED, TaskState.CANCELLED})


def carry_out(
    unit: UnitOfWork,
    plan: Plan,
    *,
    job_id: int,
    parent_id: int,
    task_types: dict[str, TaskTypeSpecification],
    mode: JobMode,
) -> int:
    """Insert everything that a plan holds. Returns how many of its products other jobs had promised before.

    Raises
    ------
    ProductExistsError
        Outputs are promised by tasks of other expansions, and the job may not take them over; all are listed.
    InvalidJobError
        Inputs are no products; all are listed.
    """
    planting = PlanWriter(unit, plan, job_id, parent_id, mode)
    planting.write(task_types)
    return planting.taken_over


class PlanWriter:
    """The numbers of one plan, turned into keys."""

    def __init__(self, unit: UnitOfWork, plan: Plan, job_id: int, parent_id: int, mode: JobMode) -> None:
        self._unit = unit
        self._plan = plan
        self._job_id = job_id
        self._parent_id = parent_id
        self._mode = mode
        self._found = unit.tasks.find_promises(
            {*plan.products, *((wanted.directory, wanted.filename) for wanted in plan.external_inputs)}
        )

    @property
    def taken_over(self) -> int:
        """How many of the plan's products are new generations."""
        return sum(name in self._found for name in self._plan.products)

    def write(self, task_types: dict[str, TaskTypeSpecification]) -> None:
        """Insert the tasks of the plan, what they promise and what they depend on."""
        self._check_products()
        tasks = self._plan.tasks
        self._task_ids = self._unit.tasks.take_ids(len(tasks))
        promises = self._make_promises()
        edges, unmet = self._make_edges({(one.directory, one.filename): one for one in promises})
        states = [
            TaskState.DONE if task.expanded else TaskState.WAITING if unmet[number] else TaskState.QUEUED
            for number, task in enumerate(self._steadily(tasks))
        ]
        attempts = self._make_attempts(states)
        self._unit.tasks.add(self._make_tasks(states, unmet, attempts))
        self._unit.attempts.add_expanded(
            [attempt for number, attempt in attempts.items() if states[number] is TaskState.DONE],
            self._unit.changes.at,
            SCHEDULER,
        )
        self._unit.attempts.add_queued(
            [attempt for number, attempt in attempts.items() if states[number] is TaskState.QUEUED],
            self._unit.changes.at,
        )
        self._unit.tasks.add_promises(promises)
        self._unit.tasks.add_dependencies(edges)
        self._note(states, attempts)
        self._announce(promises, task_types)
        self._block_at_once(edges)

    def _steadily(self, items: Iterable[T], done: int = 0) -> Iterator[T]:
        """Go through what may be millions of things, and tell the database now and then that it goes on."""
        for number, item in enumerate(items, done + 1):
            if number % _STEPS_BETWEEN_SIGNS == 0:
                self._unit.keep_turn()
            yield item

    def _check_products(self) -> None:
        taken = [
            (name, pointer, fault)
            for name, (_, slot, pointer) in self._plan.products.items()
            if name in self._found
            and (fault := find_claim_fault(self._found[name], slot, self._job_id, self._mode)) is not None
        ]
        if taken:
            problems = [
                Problem(
                    slug=ProductExistsError.slug,
                    message=f"product {filename!r} of directory {directory!r} {fault}",
                    where=json_path(pointer),
                )
                for (directory, filename), pointer, fault in taken[:100]
            ]
            message = f"{len(taken)} of the job's products exist already or are promised by other tasks"
            raise ProductExistsError(message, where=problems[0].where, problems=problems)
        missing = [one for one in self._plan.external_inputs if (one.directory, one.filename) not in self._found]
        if missing:
            problems = [
                Problem(
                    slug="unknown_input",
                    message=f"no earlier task makes {one.filename!r} in directory {one.directory!r}, and there is no "
                    "such product",
                    where=json_path(one.pointer),
                )
                for one in missing[:100]
            ]
            raise InvalidJobError(f"{len(missing)} inputs cannot be found", where=problems[0].where, problems=problems)

    def _make_promises(self) -> list[Promise]:
        products = self._plan.products
        keys = self._unit.tasks.take_promise_ids(len(products))
        return [
            Promise(key, self._task_ids[number], slot, *name, generation=self._generation(name))
            for key, (name, (number, slot, _)) in zip(keys, self._steadily(products.items()), strict=True)
        ]

    def _generation(self, name: tuple[str, str]) -> int:
        return self._found[name][-1].generation + 1 if name in self._found else 1

    def _make_edges(self, promises: dict[tuple[str, str], Promise]) -> tuple[list[NewDependency], Counter[int]]:
        edges: list[NewDependency] = []
        unmet: Counter[int] = Counter()
        for number, task in enumerate(self._steadily(self._plan.tasks)):
            task_id = self._task_ids[number]
            for slot, filename in task.inputs.items():
                name = (task.working_directory, filename)
                promise = promises.get(name) or choose_promise(self._found[name], self._job_id)
                edges.append(NewDependency(task_id, FILE, slot, promise.task_id, promise.promise_id))
                unmet[number] += promise.version is None
            for label, source in task.requires.items():
                edges.append(NewDependency(task_id, METADATA, label, self._task_ids[source]))
                unmet[number] += not self._plan.tasks[source].expanded
        return edges, unmet

    def _make_attempts(self, states: list[TaskState]) -> dict[int, QueuedAttempt]:
        numbers = [number for number, state in enumerate(states) if state is not TaskState.WAITING]
        keys = self._unit.attempts.take_ids(len(numbers))
        of_types = self._unit.registry.find_rules()
        return {
            number: queue_attempt(
                key,
                task_id=self._task_ids[number],
                job_id=self._job_id,
                task_type=task.task_type,
                rules=complete_rules(task.execution, task.task_type, of_types),
                at=self._unit.changes.at,
                undecided=self._mode.reuse,
            )
            for key, number in zip(keys, self._steadily(numbers), strict=True)
            for task in (self._plan.tasks[number],)
        }

    def _make_tasks(
        self, states: list[TaskState], unmet: Counter[int], attempts: dict[int, QueuedAttempt]
    ) -> Iterator[NewTask]:
        return (
            NewTask(
                task_id=self._task_ids[number],
                job_id=self._job_id,
                parent_id=self._parent_id if task.parent is None else self._task_ids[task.parent],
                position=task.position,
                level=task.level,
                pointer=task.pointer,
                task_type=task.task_type,
                name=task.name,
                job_name=task.job_name,
                working_directory=task.working_directory,
                metadata=task.metadata,
                seed=task.seed,
                state=states[number],
                unmet=unmet[number],
                children=task.children,
                attempts=int(number in attempts),
                accepted_attempt_id=attempts[number].attempt_id if states[number] is TaskState.DONE else None,
                iteration=task.iteration,
                execution=None if task.execution is NO_RULES else task.execution.said() or None,
            )
            for number, task in enumerate(self._plan.tasks)
        )

    def _note(self, states: list[TaskState], attempts: dict[int, QueuedAttempt]) -> None:
        changes = self._unit.changes
        changes.note_new_tasks(self._job_id, Counter(states))
        for number, attempt in self._steadily(attempts.items()):
            if states[number] is TaskState.QUEUED:
                changes.note_queued(attempt)
            else:
                changes.note_expanded(self._job_id, attempt.task_id, attempt.attempt_id)

    def _announce(self, promises: list[Promise], task_types: dict[str, TaskTypeSpecification]) -> None:
        products: list[dict[str, Any]] = []
        size = 0
        for promise in self._steadily(promises):
            task = self._plan.tasks[promise.task_id - self._task_ids.start]
            specification = task_types.get(task.task_type)
            products.append(
                {
                    "directory": promise.directory,
                    "filename": promise.filename,
                    "semantic_type": promise.slot,
                    "mime_type": specification.mime_types.get(promise.slot) if specification else None,
                    "generator_task_id": promise.task_id,
                    "job_id": self._job_id,
                    "planned_at": self._unit.changes.at,
                    "metadata": task.metadata,
                    "rerun": self._mode.rerun,
                }
            )
            size += len(orjson.dumps(task.metadata))
            if len(products) == _ANNOUNCED_AT_ONCE or size > _BYTES_AT_ONCE:
                self._unit.changes.tell("plan", {"products": products})
                products, size = [], 0
        if products:
            self._unit.changes.tell("plan", {"products": products})

    def _block_at_once(self, edges: list[NewDependency]) -> None:
        outside = {edge.source_id for edge in edges if edge.source_id not in self._task_ids}
        states = self._unit.tasks.find_states(outside)
        block_what_follows(self._unit, [task_id for task_id, state in states.items() if state in _FAILED_FOR_GOOD])


@dataclass(frozen=True)
class _Candidate:
    """A flow-control task that has become ready, with what it needs to be expanded.

    `parent_id` is the parent of what it spawns: the task itself, or, for the test after an iteration, its loop.
    """

    attempt: QueuedAttempt
    parent_id: int
    flow: FlowTask
    task_types: dict[str, TaskTypeSpecification]
    mode: JobMode


class Expansion:
    """Expands flow-control tasks that had to wait. Their attempts are queued like others, but no worker takes them.

    Parameters
    ----------
    transactor
        For the transactions.
    wakeups
        Tell when there is something to expand.
    limits
        Of retries.
    max_iterations
        The most iterations of a loop that repeats as long as a test says so.
    """

    def __init__(self, transactor: Transactor, wakeups: Wakeups, limits: RetryLimits, max_iterations: int) -> None:
        self._max_iterations = max_iterations
        self._faulty = FaultyAttempts(transactor, limits)
        self._passed_over: set[int] = set()
        self._transactor = transactor
        self._wakeups = wakeups
        self._limits = limits

    async def run(self) -> None:
        """Expand every container task that becomes ready, for ever: once after the start, and then on each wake-up."""
        while True:
            self._wakeups.expansion.clear()
            while await self.expand_next():
                pass
            await self._wakeups.expansion.wait()

    async def expand_next(self) -> bool:
        """Expand one flow-control task. False if none is ready.

        One that cannot be expanded, whatever is raised, fails with the reason. One that cannot even be failed is passed
        over until the scheduler starts again.
        """
        found: list[QueuedAttempt] = []

        def find(unit: UnitOfWork) -> _Candidate | None:
            found[:] = self._find_next(unit)
            return _describe(unit, found[0]) if found else None

        try:
            candidate = await self._transactor.run(find)
            if candidate is None:
                return False
            await self._expand(candidate)
        except Exception as error:
            if not found or (is_passing(error) and not isinstance(error, MemoryError)):
                raise
            await self._fail(found[0], error)
        return True

    def _find_next(self, unit: UnitOfWork) -> list[QueuedAttempt]:
        """Find the next attempt to expand, or none."""
        most = 1 + len(self._passed_over)
        queued = unit.attempts.find_queued(dict.fromkeys(FLOW_TYPES, most), most)
        return [attempt for attempt in queued if attempt.attempt_id not in self._passed_over][:1]

    async def _fail(self, attempt: QueuedAttempt, error: Exception) -> None:
        try:
            reason = FailureReason.INPUT
            await self._faulty.end(attempt.attempt_id, error, "expand the task", reason=reason, lease_token="")
        except Exception as second:
            if is_passing(second):
                raise
            logger.exception("attempt %d cannot be failed either and is passed over", attempt.attempt_id)
            self._passed_over.add(attempt.attempt_id)

    async def _expand(self, candidate: _Candidate) -> None:
        problems = ProblemList()
        plan = await asyncio.to_thread(
            expand, candidate.flow, candidate.task_types, problems, max_iterations=self._max_iterations
        )
        fault: EasError | None = None
        if problems.problems:
            fault = InvalidJobError("the task cannot be expanded", problems=problems.problems)
        else:
            try:
                await self._finish(candidate, plan, None)
            except EasError as error:
                if is_passing(error):
                    raise
                fault = error
        if fault is not None:
            await self._finish(candidate, plan, fault)

    async def _finish(self, candidate: _Candidate, plan: Plan, fault: EasError | None) -> None:
        """Run the attempt from queued to its end in one transaction, with all that comes of it."""
        attempt = candidate.attempt
        token = token_hex(8)

        def command(unit: UnitOfWork) -> None:
            if unit.attempts.find_known([attempt.attempt_id])[attempt.attempt_id].state is not AttemptState.QUEUED:
                return  # cancelled since it was found
            take_attempts(unit, [attempt], SCHEDULER, token, timedelta(minutes=1))
            if fault is None:
                carry_out(
                    unit,
                    plan,
                    job_id=attempt.job_id,
                    parent_id=candidate.parent_id,
                    task_types=candidate.task_types,
                    mode=candidate.mode,
                )
                unit.tasks.add_children(candidate.parent_id, plan.children)
            report = AttemptReport(
                attempt_id=attempt.attempt_id,
                lease_token=token,
                state="accepted" if fault is None else "failed",
                reason=None if fault is None else FailureReason.INPUT,
                message=None if fault is None else str(fault),
                started_at=unit.changes.at,
            )
            known = unit.attempts.find_known([attempt.attempt_id])[attempt.attempt_id]
            settle(unit, [(known, report)], self._limits)

        await self._transactor.run(command)


def _describe(unit: UnitOfWork, attempt: QueuedAttempt) -> _Candidate:
    task = unit.tasks.find_to_run([attempt.task_id])[attempt.task_id]
    document = unit.jobs.find_documents([attempt.job_id])[attempt.job_id]
    requested: dict[str, Metadata] = {
        found.label: found.metadata
        for found in unit.tasks.find_dependencies([attempt.task_id])
        if found.kind == METADATA
    }
    flow = FlowTask(
        task_type=task.task_type,
        description=resolve_pointer(document, task.pointer),
        pointer=task.pointer,
        level=task.level - _LEVELS_BELOW_ITS_LOOP if task.iteration else task.level,
        job_name=task.job_name,
        working_directory=task.working_directory,
        metadata=task.metadata,
        seed=task.seed,
        requested_metadata=requested,
        iteration=task.iteration,
        execution=NO_RULES if task.execution is None else ExecutionRules.model_validate(task.execution),
    )
    mode = unit.jobs.find_mode(attempt.job_id)
    return _Candidate(attempt, _find_parent(unit, task), flow, unit.registry.find_task_types(), mode)


def _find_parent(unit: UnitOfWork, task: TaskToRun) -> int:
    """Find the parent of what a task spawns. The test after an iteration stands in that iteration's chain."""
    if not task.iteration or task.parent_id is None:
        return task.task_id
    loop_id = unit.tasks.find_parent(task.parent_id)
    return task.task_id if loop_id is None else loop_id
