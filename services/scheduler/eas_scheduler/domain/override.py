"""What an operator's verdict on a version means for the tasks that have it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from eas.contracts.scheduler import OutputVersion
from eas.contracts.states import FailureReason, TaskState


@dataclass(frozen=True, slots=True)
class Maker:
    """An attempt that made or adopted a version, and how its task stands.

    Parameters
    ----------
    accepted
        Whether it is the attempt whose outputs the task's readers get.
    """

    attempt_id: int
    task_id: int
    job_id: int
    state: TaskState
    reason: FailureReason | None
    accepted: bool
    outputs: tuple[OutputVersion, ...]

    def is_revoked_by_rejection(self) -> bool:
        """Tell whether the task is done with this attempt, and no longer is once an output is rejected."""
        return self.state is TaskState.DONE and self.accepted

    def is_reinstated_by_acceptance(self, promised: Collection[str]) -> bool:
        """Tell whether the task failed for quality alone and has, with these outputs, all that it promised."""
        if self.state is not TaskState.FAILED or self.reason is not FailureReason.QUALITY:
            return False
        made = {output.slot for output in self.outputs}
        return made.issuperset(promised) and all(output.passed_qc is not False for output in self.outputs)


def judge_output(
    outputs: Sequence[OutputVersion], version_id: int, *, passed: bool, words: str
) -> tuple[OutputVersion, ...]:
    """Give one of an attempt's outputs another verdict."""
    return tuple(
        output.model_copy(update={"passed_qc": passed, "qc_reason": words})
        if output.version_id == version_id
        else output
        for output in outputs
    )
