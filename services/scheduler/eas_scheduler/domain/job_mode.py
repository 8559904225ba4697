"""What a submission asks for besides its document, and what that allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eas.contracts.states import TaskState
from eas_scheduler.domain.task import KnownPromise

#: States of tasks that may still make what they promised without anybody's doing.
_OPEN = frozenset({TaskState.WAITING, TaskState.QUEUED, TaskState.RUNNING})


@dataclass(frozen=True, slots=True)
class JobMode:
    """How a job was submitted.

    Parameters
    ----------
    rerun
        It makes new versions of products that other jobs promised.
    reuse
        Its tasks adopt what equal attempts made, instead of running.
    """

    rerun: bool = False
    reuse: bool = False


PLAIN = JobMode()


def describe_mode(mode: JobMode) -> str:
    """Name a mode in words."""
    asked = [word for word, said in (("rerun", mode.rerun), ("reuse", mode.reuse)) if said]
    return f"with {' and '.join(asked)}" if asked else "without rerun or reuse"


def choose_promise(generations: Sequence[KnownPromise], job_id: int) -> KnownPromise:
    """Choose whose file a reader of a name gets: that of its own job, else the newest.

    Parameters
    ----------
    generations
        All promises of the name, oldest first; at least one.
    job_id
        The reader's.
    """
    own = [promise for promise in generations if promise.job_id == job_id]
    return (own or generations)[-1]


def find_claim_fault(generations: Sequence[KnownPromise], slot: str, job_id: int, mode: JobMode) -> str | None:
    """Say why a job may not promise a name that is promised already, or None where a re-run may.

    Parameters
    ----------
    generations
        All promises of the name, oldest first; at least one.
    slot
        What the job would make it as.
    """
    newest = generations[-1]
    if not mode.rerun or any(promise.job_id == job_id for promise in generations):
        return f"is promised by task {newest.task_id} already"
    if newest.slot != slot:
        return f"is promised as {newest.slot!r} by task {newest.task_id}, not as {slot!r}"
    for promise in generations:
        if promise.state in _OPEN:
            return (
                f"is still being made by task {promise.task_id} of job {promise.job_id}, which is "
                f"{promise.state.value}: cancel it, or wait for it"
            )
    return None


def is_found_again(generations: Sequence[KnownPromise], task_type: str, slot: str) -> bool:
    """Tell whether a product that no job declared is one that tasks of the same type had found before.

    The number at the end of a slot says only how many they found before it.
    """
    kind = slot.rstrip("0123456789")
    return all(promise.task_type == task_type and promise.slot.rstrip("0123456789") == kind for promise in generations)
