"""Running one attempt, inside a child process: settings, code, quality control, and the typed reason if it fails."""

from __future__ import annotations

import contextlib
import importlib
import logging
import random
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from eas.authoring.errors import InputError, OutputError, TaskError
from eas.authoring.quality import (
    MetadataError,
    ProducedFile,
    QualityCheck,
    check_output_words,
    describe_rejection,
    inspect_outputs,
    judge_attempt,
    judge_slot,
    plain_output_metadata,
    plain_result,
)
from eas.authoring.task_type import InputFile, OutputFile, TaskContext, TaskType, Verdict
from eas.contracts.metadata import Metadata
from eas.contracts.states import FailureReason
from eas.contracts.texts import clean_message as cut_message
from eas_worker.domain.assignment import Answer, AnsweredOutput, AnsweredState, Assignment
from eas_worker.domain.failures import explain_failure, explain_settings
from eas_worker.domain.want_of_room import DiskLook, excuse
from eas_worker.logic.ports import AttemptJournal, DiskProbe, TaskTypeCatalog
from eas_worker.logic.scratch import ScratchFolder, own_folder, remove_folder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExecutionLimits:
    """What every task of this worker is given: threads, the root of external files, the file of external commands."""

    cpus: int = 1
    input_directory: Path | None = None
    commands: Path | None = None


class Stopwatch:
    """The times of one attempt."""

    def __init__(self) -> None:
        self.started_at = time.time()
        self.checking_at: float | None = None
        self.wall_time = self.cpu_time = self.cpu_time_with_children = 0.0
        self._wall = time.perf_counter()
        self._cpu = time.process_time()
        self._children = _children_cpu()

    def stop(self) -> None:
        """The code has ended; what follows is quality control. A second call changes nothing."""
        if self.checking_at is not None:
            return
        self.wall_time = time.perf_counter() - self._wall
        self.cpu_time = time.process_time() - self._cpu
        self.cpu_time_with_children = self.cpu_time + _children_cpu() - self._children
        self.checking_at = time.time()


class Executor:
    """Runs attempts, one at a time, in this process.

    Parameters
    ----------
    catalog
        The code.
    journal
        Told which attempt is running.
    limits
        The same for all attempts.
    scratch
        Where attempts without files run.
    disk
        Tells whether an attempt failed because the worker's disk is full; None: nobody gives attempts back.
    """

    def __init__(
        self,
        catalog: TaskTypeCatalog,
        journal: AttemptJournal,
        limits: ExecutionLimits,
        scratch: ScratchFolder,
        disk: DiskProbe | None = None,
    ) -> None:
        self._catalog = catalog
        self._journal = journal
        self._limits = limits
        self._scratch = scratch
        self._disk = disk
        self._left: DiskLook | None = None

    def execute(self, assignment: Assignment, on_checking: Callable[[int], None]) -> Answer:
        """Run an attempt and tell how it went. Whatever the task's code raises becomes a failed answer.

        Its own working directory is removed unless it holds outputs.

        Parameters
        ----------
        assignment
            The attempt.
        on_checking
            Called with its id when the task type's own quality control begins.
        """
        self._journal.set_attempt(assignment.attempt_id, task_id=assignment.task_id, job_id=assignment.job_id)
        watch = Stopwatch()
        self._left = None
        try:
            task_type = self._find(assignment.task_type)
            if _has_files(task_type, assignment):
                answer = self._execute_in_own_folder(task_type, assignment, watch, on_checking)
            else:
                with self._scratch.opened() as folder:
                    answer = self._run(task_type, assignment, folder, watch, on_checking)
            return self._excuse(answer, None)
        except BaseException as error:  # whatever it is, it is the task's, and the user is told
            watch.stop()
            reason, message = explain_failure(error)
            if isinstance(error, InputError):  # what is wrong with an input is said in words
                logger.error("%s failed: %s", assignment.task_type, message)
            else:
                logger.error("%s failed", assignment.task_type, exc_info=error)
            failed = _make_answer(assignment, watch, "failed", reason=reason, message=message)
            if self._left is None:
                self._look_at_disk(Path(assignment.directory))
            return self._excuse(failed, error)
        finally:
            self._journal.clear_attempt()

    def excuse_unsent(self, answer: Answer, error: OSError) -> Answer:
        """Make the answer to be given in place of one for which the disk had no room."""
        self._look_at_disk()
        words = cut_message(f"the worker cannot write down how the attempt went: {error}")
        kept = replace(answer, state="failed", reason=FailureReason.INFRASTRUCTURE, message=words, metadata={})
        return self._excuse(replace(kept, outputs=[], checking_at=None), error)

    def _look_at_disk(self, *folders: Path) -> None:
        """Measure the disk while the attempt's files are still there."""
        if self._disk is not None:
            with contextlib.suppress(OSError):
                self._left = self._disk.look(*folders)

    def _excuse(self, answer: Answer, error: BaseException | None) -> Answer:
        if self._left is None:
            return answer
        excused = excuse(answer, error, self._left)
        if excused is not answer:
            logger.warning("the attempt is given back: %s", excused.message)
        return excused

    def _execute_in_own_folder(
        self, task_type: TaskType, assignment: Assignment, watch: Stopwatch, on_checking: Callable[[int], None]
    ) -> Answer:
        folder = Path(assignment.directory)
        answer: Answer | None = None
        try:
            with own_folder(folder):
                answer = self._run(task_type, assignment, folder, watch, on_checking)
        finally:
            if answer is None or not answer.outputs:
                remove_folder(folder)
        return answer

    def _run(
        self,
        task_type: TaskType,
        assignment: Assignment,
        folder: Path,
        watch: Stopwatch,
        on_checking: Callable[[int], None],
    ) -> Answer:
        answer = None
        try:
            answer = self._run_and_judge(task_type, assignment, folder, watch, on_checking)
        finally:
            if answer is None or answer.state != "accepted":
                self._look_at_disk(folder)
        return answer

    def _run_and_judge(
        self,
        task_type: TaskType,
        assignment: Assignment,
        folder: Path,
        watch: Stopwatch,
        on_checking: Callable[[int], None],
    ) -> Answer:
        context = self._make_context(assignment, folder)
        settings = _read_settings(task_type, assignment)
        seed_random_numbers(assignment.seed, numpy_too=task_type.uses_seed)
        metadata = plain_result(task_type.run(context, settings) or {})
        watch.stop()
        verdicts = self._check(task_type, context, metadata, lambda: on_checking(assignment.attempt_id))
        kept = [file for file in context.outputs if (folder / file.path).is_file()]
        outputs = [_answer_output(task_type, context, file, verdicts) for file in kept]
        if (rejection := describe_rejection(verdicts)) is None:
            return _make_answer(assignment, watch, "accepted", metadata=metadata, outputs=outputs)
        logger.warning("%s rejected by quality control: %s", assignment.task_type, rejection)
        return _make_answer(assignment, watch, "rejected", FailureReason.QUALITY, rejection, metadata, outputs)

    def _check(
        self, task_type: TaskType, context: TaskContext, metadata: Metadata, announce: Callable[[], None]
    ) -> Sequence[Verdict]:
        """Judge the outputs: in general, by the task type's check, by users' checks. Who says no has the last word."""
        if verdicts := _inspect(task_type, context, metadata):
            return verdicts
        added = self._catalog.checks_of(task_type.name)
        own = () if task_type.check is None else (QualityCheck("", task_type.check),)
        if not own and not added:
            return []
        announce()
        for checks in (own, added):
            for check in checks:
                verdicts += judge_attempt(check, context, metadata)
            if any(not verdict.passed for verdict in verdicts):
                break
        plain = plain_result(metadata)  # a check may have put something into it
        metadata.clear()
        metadata.update(plain)
        return verdicts

    def _find(self, name: str) -> TaskType:
        task_type = self._catalog.find(name)
        if task_type is None:
            raise UnknownTaskTypeError(name)
        return task_type

    def _make_context(self, assignment: Assignment, directory: Path) -> TaskContext:
        return TaskContext(
            directory=directory,
            inputs={slot: InputFile(Path(file.path), file.metadata) for slot, file in assignment.inputs.items()},
            output_names=assignment.outputs,
            metadata=assignment.metadata,
            input_directory=self._limits.input_directory,
            cpus=self._limits.cpus,
            seed=assignment.seed,
            commands=self._limits.commands,
        )


def seed_random_numbers(seed: int, *, numpy_too: bool) -> None:
    """Begin the sequences of the generators that are the process's own, numpy's where it is imported."""
    random.seed(seed)
    if numpy_too and "numpy" in sys.modules:
        found = sys.modules.get("numpy.random") or importlib.import_module("numpy.random")
        found.seed(seed & 0xFFFFFFFF)


class UnknownTaskTypeError(TaskError):
    """There is no code for the task type, although this worker was given one of its tasks."""

    reason = FailureReason.INFRASTRUCTURE

    def __init__(self, name: str) -> None:
        super().__init__(f"this worker has no task type {name!r}")


def _has_files(task_type: TaskType, assignment: Assignment) -> bool:
    return bool(assignment.inputs or task_type.outputs or task_type.open_outputs)


def _read_settings(task_type: TaskType, assignment: Assignment) -> object:
    try:
        return task_type.settings.model_validate(assignment.settings)
    except ValidationError as error:
        raise InputError(explain_settings(error)) from error


def _inspect(task_type: TaskType, context: TaskContext, metadata: Metadata) -> list[Verdict]:
    files = [
        ProducedFile(file.slot, _size_inside(context.directory, file), file.metadata, declared=file.filename is None)
        for file in _plain_outputs(context)
    ]
    if not task_type.open_outputs and (stray := next((file for file in files if not file.declared), None)):
        raise OutputError(f"output {stray.slot!r}: {task_type.name} may not add products that the job did not declare")
    return inspect_outputs(context.output_names, files, metadata)


def _plain_outputs(context: TaskContext) -> list[OutputFile]:
    """Make the metadata of all outputs plain, in place."""
    context.outputs[:] = [
        OutputFile(file.slot, file.path, _plain_output_metadata(file), file.mime_type, file.filename)
        for file in context.outputs
    ]
    return context.outputs


def _plain_output_metadata(file: OutputFile) -> Metadata:
    check_output_words(file.slot, file.filename, file.mime_type)
    try:
        return plain_output_metadata(file.metadata)
    except MetadataError as error:
        raise OutputError(f"output {file.slot!r}: {error}") from error


def _size_inside(directory: Path, file: OutputFile) -> int | None:
    """Measure an output file [bytes]; None where there is no such regular file.

    Raises
    ------
    OutputError
        It lies outside of the working directory.
    """
    found = (directory / file.path).resolve()
    if not found.is_relative_to(directory.resolve()):
        raise OutputError(f"output {file.slot!r}: {file.path} is outside of the working directory")
    return found.stat().st_size if found.is_file() else None


def _answer_output(
    task_type: TaskType, context: TaskContext, file: OutputFile, verdicts: Sequence[Verdict]
) -> AnsweredOutput:
    declared = task_type.output_slot(file.slot)
    default = declared.mime_type if declared else "application/octet-stream"
    passed, reason = judge_slot(file.slot, verdicts)
    return AnsweredOutput(
        slot=file.slot,
        path=str((context.directory / file.path).resolve()),
        filename=file.filename or context.output_names[file.slot],
        mime_type=file.mime_type or default,
        metadata=file.metadata,
        passed_qc=passed,
        qc_reason=reason,
    )


def _make_answer(
    assignment: Assignment,
    watch: Stopwatch,
    state: AnsweredState,
    reason: FailureReason | None = None,
    message: str | None = None,
    metadata: Metadata | None = None,
    outputs: list[AnsweredOutput] | None = None,
) -> Answer:
    return Answer(
        attempt_id=assignment.attempt_id,
        state=state,
        started_at=watch.started_at,
        checking_at=watch.checking_at if state != "failed" else None,
        ended_at=time.time(),
        wall_time=watch.wall_time,
        cpu_time=watch.cpu_time,
        cpu_time_with_children=watch.cpu_time_with_children,
        reason=reason,
        message=None if message is None else cut_message(message),
        metadata=metadata or {},
        outputs=outputs or [],
    )


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
