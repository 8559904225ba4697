"""What users and operators may do to jobs, tasks, queues and versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from eas.client.base import make_request
from eas.client.scheduler.connection import LONG, SchedulerConnection
from eas.contracts.dead_letters import DeadLetterChoice, DeadLetterResult
from eas.contracts.execution import ExecutionRules
from eas.contracts.provenance import VerdictOutcome, VersionVerdict
from eas.contracts.queues import PurgeResult, RescheduleRequest, RescheduleResult
from eas.contracts.scheduler import ExcuseRequest, JobView, RetryRequest, TaskRetryRequest, TaskView
from eas.contracts.states import FailureReason


class ControlCalls(SchedulerConnection):
    """What users and operators may do to jobs, tasks, queues and versions."""

    async def cancel_job(self, job_id: int) -> JobView:
        """End everything of a job that has not ended."""
        return await self._call(JobView, "POST", f"jobs/{job_id}/cancel", read_timeout=LONG)

    async def pause_job(self, job_id: int) -> JobView:
        """Let nothing more of a job be handed out.

        Raises
        ------
        ConflictError
            It has ended.
        """
        return await self._call(JobView, "POST", f"jobs/{job_id}/pause", read_timeout=LONG)

    async def resume_job(self, job_id: int) -> JobView:
        """Go on with a paused job."""
        return await self._call(JobView, "POST", f"jobs/{job_id}/resume", read_timeout=LONG)

    async def retry_job(
        self,
        job_id: int,
        *,
        task_ids: Sequence[int] = (),
        reasons: Sequence[FailureReason] = (),
        settings: Mapping[str, Any] = MappingProxyType({}),
        execution: ExecutionRules | None = None,
    ) -> JobView:
        """Try again what failed: everything, or these tasks, or what ended for one of these reasons.

        Parameters
        ----------
        settings
            Task-specific keys to be used instead of the job's own from now on; None takes a change back.
        execution
            Rules to be used instead of the job's own from now on.

        Raises
        ------
        ConflictError
            A named task has neither failed nor been cancelled, or there is nothing to be changed.
        InvalidInputError
            The settings do not fit all of the tasks.
        """
        request = make_request(
            RetryRequest, task_ids=list(task_ids), reasons=list(reasons), settings=dict(settings), execution=execution
        )
        return await self._call(JobView, "POST", f"jobs/{job_id}/retry", body=request, read_timeout=LONG)

    async def cancel_task(self, task_id: int) -> TaskView:
        """End a task and all below it; what depends on them is blocked.

        Raises
        ------
        ConflictError
            It has ended already.
        """
        return await self._call(TaskView, "POST", f"tasks/{task_id}/cancel", read_timeout=LONG)

    async def retry_task(
        self,
        task_id: int,
        *,
        settings: Mapping[str, Any] = MappingProxyType({}),
        execution: ExecutionRules | None = None,
    ) -> TaskView:
        """Try a failed or cancelled task again; settings and rules are used instead of the job's own from now on.

        Raises
        ------
        ConflictError
            It has neither failed nor been cancelled.
        InvalidInputError
            The settings do not fit.
        """
        request = make_request(TaskRetryRequest, settings=dict(settings), execution=execution)
        return await self._call(TaskView, "POST", f"tasks/{task_id}/retry", body=request, read_timeout=LONG)

    async def excuse_task(self, task_id: int, excuse: str) -> TaskView:
        """Count a failed task as done, without results.

        Raises
        ------
        ConflictError
            It has not failed, or others need its files.
        """
        body = make_request(ExcuseRequest, excuse=excuse)
        return await self._call(TaskView, "POST", f"tasks/{task_id}/excuse", body=body, read_timeout=LONG)

    async def send_dead_letters_again(self, letter_ids: Sequence[str] | None = None) -> int:
        """Send dead letters on their way again; None: all. Returns how many there were."""
        choice = DeadLetterChoice(letter_ids=None if letter_ids is None else list(letter_ids))
        path = "dead-letters/send-again"
        return (await self._call(DeadLetterResult, "POST", path, body=choice, read_timeout=LONG)).changed

    async def discard_dead_letters(self, letter_ids: Sequence[str] | None = None) -> int:
        """Remove dead letters for good; None: all. Returns how many there were."""
        choice = DeadLetterChoice(letter_ids=None if letter_ids is None else list(letter_ids))
        return (
            await self._call(DeadLetterResult, "POST", "dead-letters/discard", body=choice, read_timeout=LONG)
        ).changed

    async def purge_queue(self, task_type: str) -> PurgeResult:
        """Cancel all that is queued of a task type; what depends on it is blocked, until it is rescheduled.

        Raises
        ------
        NotFoundError
            There is no such task type.
        """
        path = f"queues/{quote(task_type, safe='')}/purge"
        return await self._call(PurgeResult, "POST", path, read_timeout=LONG)

    async def reschedule(self, job_id: int | None = None, *, failed: bool = False) -> RescheduleResult:
        """Queue again what was purged; what is queued or running is left alone, so that twice is as good as once.

        Parameters
        ----------
        job_id
            In this job; None for all.
        failed
            Tasks that failed, too.

        Raises
        ------
        NotFoundError
            There is no such job.
        """
        path = "queues/reschedule" if job_id is None else f"jobs/{job_id}/reschedule"
        body = make_request(RescheduleRequest, failed=failed)
        return await self._call(RescheduleResult, "POST", path, body=body, read_timeout=LONG)

    async def judge_version(self, version_id: int, *, passed: bool, reason: str) -> VerdictOutcome:
        """Accept or reject a version, and gate again what depends on it.

        Raises
        ------
        NotFoundError
            There is no such version.
        ConflictError
            It cannot be accepted.
        """
        body = VersionVerdict(passed=passed, reason=reason)
        return await self._call(VerdictOutcome, "POST", f"versions/{version_id}/verdicts", body=body)
