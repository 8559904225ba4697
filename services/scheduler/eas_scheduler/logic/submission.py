"""Takes jobs in: a document is checked as a whole and becomes a job with all tasks that are known now, or nothing."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from secrets import randbits
from typing import Any, TypeVar

import orjson

from eas.contracts.errors import ConflictError, InvalidJobError, InvalidJsonError
from eas.contracts.scheduler import JobPlan, JobView
from eas.contracts.states import TaskState
from eas_scheduler.domain.attempt import QueuedAttempt
from eas_scheduler.domain.dry_run import summarise
from eas_scheduler.domain.job_language.document import check_document, find_document_fault
from eas_scheduler.domain.job_language.expansion import describe_root, expand
from eas_scheduler.domain.job_language.flow_types import CHAIN
from eas_scheduler.domain.job_language.plan import FlowTask, Plan
from eas_scheduler.domain.job_language.problems import ProblemList
from eas_scheduler.domain.job_mode import PLAIN, JobMode, describe_mode
from eas_scheduler.domain.task import NewTask
from eas_scheduler.domain.task_settings import TaskTypeSpecification
from eas_scheduler.logic.expansion import carry_out
from eas_scheduler.logic.polls import Delivery, Polls
from eas_scheduler.logic.ports import Transactor, UnitOfWork
from eas_scheduler.logic.progress import SCHEDULER

T = TypeVar("T")


#: A document of more bytes is planned apart.
_SMALL = 32 * 1024
#: What orjson says of a document that is nested deeper than it reads.
_TOO_DEEP = "depth limit exceeded"
#: What may be a whole number beyond 64 bits.
_LONG_NUMBER = re.compile(rb"\d{19}")


@dataclass(frozen=True)
class _PlannedJob:
    """A plan, with the task types that it was checked against."""

    task_types: dict[str, TaskTypeSpecification]
    flow: FlowTask
    plan: Plan


class Submission:
    """Accepts jobs."""

    def __init__(self, transactor: Transactor, polls: Polls, max_iterations: int) -> None:
        self._polls = polls
        self._max_iterations = max_iterations
        self._transactor = transactor

    async def submit(
        self, text: bytes, *, submitted_by: str, key: str | None = None, mode: JobMode = PLAIN
    ) -> tuple[JobView, bool]:
        """Check a job document and make the job.

        Of two submissions under the same key at the same time, the one that commits first makes the job; the other
        finds it in its own transaction.

        Parameters
        ----------
        text
            JSON in UTF-8.
        submitted_by
            Whose token it came with.
        key
            Chosen by the caller, so that sending a document again does not make a second job.
        mode
            What is asked for besides the document.

        Returns
        -------
        The job, and whether it is new.

        Raises
        ------
        InvalidJsonError
            It is not JSON.
        InvalidJobError
            It is no job that can run; every problem is listed with its JSON path.
        ProductExistsError
            Products that it promises exist already, or, for a re-run, are still being made.
        ConflictError
            The key was used for another document, or in another mode.
        """
        document = await _read(text)
        mode = _complete_mode(mode, document)
        if key is not None:
            known = await self._transactor.run(lambda unit: _find_submitted(unit, key, document, mode))
            if known is not None:
                return known, False

        async def make(delivery: Delivery) -> tuple[JobView, bool]:
            def insert(unit: UnitOfWork, planned: _PlannedJob) -> tuple[JobView, bool]:
                known = None if key is None else _find_submitted(unit, key, document, mode)
                if known is not None:
                    return known, False
                job_id, _ = _insert(unit, document, planned, submitted_by, mode)
                if key is not None:
                    unit.jobs.set_key(job_id, key)
                delivery.serve(unit)
                job = unit.describe_job(job_id)
                return job.model_copy(update={"warnings": planned.plan.estimates.warnings()}), True

            return await self._plan_and(insert, text, document, mode)

        return await self._polls.serve_during(make)

    async def dry_run(self, text: bytes, *, mode: JobMode = PLAIN) -> JobPlan:
        """Do all that a submission would do, tell what came of it, and leave no trace of it.

        Raises
        ------
        EasError
            What `submit` would raise.
        """
        document = await _read(text)
        mode = _complete_mode(mode, document)

        def insert(unit: UnitOfWork, planned: _PlannedJob) -> JobPlan:
            _, new_versions = _insert(unit, document, planned, "", mode)
            unit.flush()
            raise _DryRunEndedError(summarise(planned.plan, new_versions))

        try:
            return await self._plan_and(insert, text, document, mode)
        except _DryRunEndedError as over:
            return over.plan

    async def _plan_and(
        self, act: Callable[[UnitOfWork, _PlannedJob], T], text: bytes, document: Any, mode: JobMode
    ) -> T:
        """Plan a job and act on its plan in a transaction.

        A small job is planned in that very transaction; others before it, in a thread, so that nobody waits for them.
        """
        seed = randbits(48)
        if len(text) <= _SMALL and b"_loop" not in text:
            return await self._transactor.run(
                lambda unit: act(unit, self._plan(document, *_look_up(unit, document, mode, seed)))
            )
        known = await self._transactor.run(lambda unit: _look_up(unit, document, mode, seed))
        planned = await asyncio.to_thread(self._plan, document, *known)
        return await self._transactor.run(lambda unit: act(unit, planned))

    def _plan(self, document: Any, task_types: dict[str, TaskTypeSpecification], seed: int) -> _PlannedJob:
        """Plan a job. Raises `InvalidJobError`."""
        problems = ProblemList()
        check_document(document, task_types, problems)
        if not isinstance(document, dict):
            raise _invalid(problems)
        own = document.get("seed")
        flow = describe_root(document, own if isinstance(own, int) else seed, problems)
        plan = expand(flow, task_types, problems, max_iterations=self._max_iterations)
        if problems.problems:
            raise _invalid(problems)
        return _PlannedJob(task_types, flow, plan)


class _DryRunEndedError(Exception):
    """Rolls a transaction back."""

    def __init__(self, plan: JobPlan) -> None:
        super().__init__()
        self.plan = plan


def _look_up(unit: UnitOfWork, document: Any, mode: JobMode, seed: int) -> tuple[dict[str, TaskTypeSpecification], int]:
    """Fetch the task types and, to re-use results, the seed of the newest job of this name; else `seed`."""
    name = _name_of(document, seed) if mode.reuse else None
    earlier = unit.jobs.find_newest_seed(name) if name else None
    return unit.registry.find_task_types(), seed if earlier is None else earlier


def _find_submitted(unit: UnitOfWork, key: str, document: Any, mode: JobMode) -> JobView | None:
    """Find the job that was submitted under a key.

    Raises
    ------
    ConflictError
        It was made from another document, or in another mode.
    """
    found = unit.jobs.find_submission(key)
    if found is None:
        return None
    job_id, first, first_mode = found
    if orjson.dumps(first, option=orjson.OPT_SORT_KEYS) != orjson.dumps(document, option=orjson.OPT_SORT_KEYS):
        message = f"the key {key!r} belongs to job {job_id}, which was made from another document"
        raise ConflictError(message, where="header.Idempotency-Key")
    if first_mode != mode:
        message = f"the key {key!r} belongs to job {job_id}, which was submitted {describe_mode(first_mode)}"
        raise ConflictError(message, where="header.Idempotency-Key")
    return unit.describe_job(job_id)


async def _read(text: bytes) -> Any:
    return parse_document(text) if len(text) <= _SMALL else await asyncio.to_thread(parse_document, text)


def parse_document(text: bytes) -> Any:
    """Read JSON.

    Raises
    ------
    InvalidJsonError
        With the line and column at which reading failed.
    InvalidJobError
        A value in it is none that can be stored; its place is named.
    """
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        words = "nested too deep" if error.msg == _TOO_DEEP else "not JSON"
        message = f"the job is {words}: {error.msg} (line {error.lineno}, column {error.colno})"
        raise InvalidJsonError(message, where=f"line {error.lineno}, column {error.colno}") from error
    fault = find_document_fault(document)
    if fault is None and _LONG_NUMBER.search(text) is not None:
        # orjson has turned a whole number beyond 64 bits into a float without a word.
        fault = find_document_fault(json.loads(text))
    if fault is not None:
        raise InvalidJobError("the job has one problem", where=fault.where, problems=[fault])
    return document


def _complete_mode(mode: JobMode, document: Any) -> JobMode:
    """Add what a document asks for itself."""
    return replace(mode, reuse=mode.reuse or (isinstance(document, dict) and document.get("reuse") is True))


def _name_of(document: Any, seed: int) -> str | None:
    """Find the name that a job will have, if it can have one."""
    if not isinstance(document, dict):
        return None
    return describe_root(document, seed, ProblemList()).job_name


def _invalid(problems: ProblemList) -> InvalidJobError:
    found = problems.problems
    count = "one problem" if len(found) == 1 else f"{len(found)} problems"
    return InvalidJobError(f"the job has {count}", where=found[0].where, problems=found)


def _insert(
    unit: UnitOfWork,
    document: dict[str, Any],
    planned: _PlannedJob,
    submitted_by: str,
    mode: JobMode,
) -> tuple[int, int]:
    """Make the job. Returns its id, and how many of its products are new versions."""
    flow, plan = planned.flow, planned.plan
    (root_id,) = unit.tasks.take_ids(1)
    (attempt_id,) = unit.attempts.take_ids(1)
    job_id = unit.jobs.add(
        name=flow.job_name,
        working_directory=flow.working_directory,
        document=document,
        seed=flow.seed,
        root_task_id=root_id,
        submitted_at=unit.changes.at,
        submitted_by=submitted_by,
        mode=mode,
    )
    root = NewTask(
        task_id=root_id,
        job_id=job_id,
        parent_id=None,
        position=0,
        level=0,
        pointer=(),
        task_type=CHAIN,
        name=None,
        job_name=flow.job_name,
        working_directory=flow.working_directory,
        metadata={},
        seed=flow.seed,
        state=TaskState.DONE,
        unmet=0,
        children=plan.children,
        attempts=1,
        accepted_attempt_id=attempt_id,
        execution=flow.execution.said() or None,
    )
    unit.tasks.add([root])
    unit.attempts.add_expanded([QueuedAttempt(attempt_id, root_id, job_id, 1, CHAIN)], unit.changes.at, SCHEDULER)
    unit.changes.note_new_tasks(job_id, Counter({TaskState.DONE: 1}))
    unit.changes.note_expanded(job_id, root_id, attempt_id)
    taken_over = carry_out(unit, plan, job_id=job_id, parent_id=root_id, task_types=planned.task_types, mode=mode)
    return job_id, taken_over
