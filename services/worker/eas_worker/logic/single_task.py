"""Running one task by itself, without services: as a user asks for it, or to try the example of a task type."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eas.authoring.quality import QualityCheck
from eas.authoring.task_type import Example, Slot, TaskType
from eas.contracts.authoring import Finding
from eas.contracts.metadata import Metadata
from eas_worker.domain.assignment import Answer, AssignedInput, Assignment
from eas_worker.logic.execution import ExecutionLimits, Executor
from eas_worker.logic.ports import Guard, TaskTypeCatalog
from eas_worker.logic.scratch import ScratchFolder

#: The one attempt there is.
ATTEMPT = 1


@dataclass(frozen=True)
class SingleTask:
    """A task that belongs to no job.

    Parameters
    ----------
    task_type
        Its name.
    settings
        As a job would give them, evaluated.
    inputs
        Slot to the user's file and its metadata; the task gets a copy.
    outputs
        Slot to filename.
    seed
        For random numbers.
    """

    task_type: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, tuple[Path, Metadata]] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0


class NoJournal:
    """Log records go wherever this process sends them."""

    def set_attempt(self, attempt_id: int, *, task_id: int = 0, job_id: int = 0) -> None:
        """Do nothing: there is but one attempt."""

    def clear_attempt(self) -> None:
        """Do nothing."""


class NoGuard:
    """Nothing is limited."""

    def begin(self, assignment: Assignment) -> None:
        """Do nothing."""

    def end(self, answer: Answer) -> Answer:
        """Return the answer as it is."""
        return answer


@dataclass(frozen=True)
class OneTaskType:
    """A catalog of one task type.

    Parameters
    ----------
    task_type
        The one.
    checks
        Users' checks of it.
    """

    task_type: TaskType
    checks: Sequence[QualityCheck] = ()

    def find(self, name: str) -> TaskType | None:
        """Find it by its name."""
        return self.task_type if name == self.task_type.name else None

    def checks_of(self, name: str) -> Sequence[QualityCheck]:
        """Find the checks that concern it."""
        return [check for check in self.checks if check.concerns(name)]


def run_single_task(
    task: SingleTask,
    catalog: TaskTypeCatalog,
    limits: ExecutionLimits,
    folder: Path,
    guard: Guard | None = None,
) -> Answer:
    """Run a task as a worker's child does, quality control included.

    Parameters
    ----------
    task
        What to run.
    catalog, limits
        As a worker has them.
    folder
        Exists and is empty. What the task makes stays in it.
    guard
        What limits the attempt; None: nothing does.
    """
    directory = folder / str(ATTEMPT)
    directory.mkdir()
    inputs = {}
    for slot, (source, metadata) in task.inputs.items():
        path = directory / f"in_{slot}{''.join(source.suffixes)[-16:]}"
        shutil.copyfile(source, path)
        inputs[slot] = AssignedInput(str(path), metadata)
    assignment = Assignment(
        attempt_id=ATTEMPT,
        task_id=ATTEMPT,
        job_id=ATTEMPT,
        task_type=task.task_type,
        directory=str(directory),
        settings=dict(task.settings),
        inputs=inputs,
        outputs=dict(task.outputs),
        seed=task.seed,
    )
    executor = Executor(catalog, NoJournal(), limits, ScratchFolder(folder))
    guard = guard or NoGuard()
    guard.begin(assignment)
    return guard.end(executor.execute(assignment, lambda _attempt_id: None))


def try_example(
    task_type: TaskType, example: Example, checks: Sequence[QualityCheck], limits: ExecutionLimits, folder: Path
) -> tuple[list[Finding], str]:
    """Run the example of a task type, three times.

    The same seed has to give the same files and metadata, to the bit; and where the task type says that it draws no
    random numbers, another seed has to, too.

    Returns
    -------
    tuple
        What is wrong, and in words how the first run went.
    """
    try:
        task = _prepare(task_type, example, folder)
    except Exception as error:  # the example's own functions may raise anything
        message = f"the example's inputs cannot be made: {type(error).__name__}: {error}"
        return [Finding(severity="error", message=message)], "not run"
    catalog = OneTaskType(task_type, checks)
    first = _run_in(folder / "first", task, catalog, limits)
    said = f"{first.state} in {first.wall_time:.3g} s"
    if first.state != "accepted":
        return [Finding(severity="error", message=f"the example was {first.state}: {first.message}")], said
    findings = []
    second = _run_in(folder / "second", task, catalog, limits)
    if _content(first) != _content(second):
        words = "two runs of the example with the same seed differ; draw random numbers from context.seed alone"
        findings.append(Finding(severity="advice", message=words))
    elif not task_type.uses_seed:
        third = _run_in(folder / "third", replace(task, seed=task.seed + 1), catalog, limits)
        if _content(first) != _content(third):
            words = "uses_seed is false, but another seed gives another result; --reuse would mix them up"
            findings.append(Finding(severity="error", message=words))
    return findings, said


def _prepare(task_type: TaskType, example: Example, folder: Path) -> SingleTask:
    inputs = {}
    for slot, make in example.inputs.items():
        path = folder / f"example_{slot}"
        inputs[slot] = (path, make(path) or {})
    outputs = example.outputs
    if outputs is None:
        outputs = {slot.name: f"{slot.name}{_suffix(slot)}" for slot in task_type.outputs}
    return SingleTask(task_type.name, example.settings, inputs, outputs, seed=1)


def _suffix(slot: Slot) -> str:
    return {"image/png": ".png", "text/html": ".html", "text/csv": ".csv", "application/gzip": ".gz"}.get(
        slot.mime_type, ""
    )


def _run_in(folder: Path, task: SingleTask, catalog: TaskTypeCatalog, limits: ExecutionLimits) -> Answer:
    folder.mkdir()
    return run_single_task(task, catalog, limits, folder)


def _content(answer: Answer) -> object:
    files = [
        (file.slot, file.filename, file.metadata, hashlib.sha256(Path(file.path).read_bytes()).hexdigest())
        for file in answer.outputs
    ]
    return answer.state, answer.metadata, files
