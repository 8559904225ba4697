"""The process that runs authors' code by itself: ``eas run-task`` and ``eas task-types check``.

It is a process of its own so that `eas` imports no science and survives whatever the code does. Log records and all
that is printed go to standard error; the answer goes to a file.
"""

from __future__ import annotations

import logging
import os
import resource
import signal
import sys
import warnings
from pathlib import Path
from typing import NoReturn

from eas.authoring.executables import ExecutableRun
from eas.authoring.quality import QualityCheck
from eas.authoring.task_type import TaskType
from eas.contracts.authoring import (
    AuthoringAnswer,
    AuthoringRequest,
    Finding,
    Inspection,
    InspectionRequest,
    SingleTaskLimits,
    SingleTaskOutput,
    SingleTaskRequest,
    SingleTaskRun,
)
from eas.contracts.states import FailureReason
from eas_worker.domain.assignment import WORKER_FAULT, Answer, AnsweredOutput, Departure
from eas_worker.domain.failures import explain_death
from eas_worker.domain.inspection import inspect_task_type
from eas_worker.domain.limits import AttemptLimits
from eas_worker.domain.run_file import RunFile, RunFileError, fit_slots, read_settings
from eas_worker.domain.share import Share, set_share
from eas_worker.factory import find_memory_gb, make_environment
from eas_worker.logic.execution import ExecutionLimits
from eas_worker.logic.ports import Guard
from eas_worker.logic.single_task import SingleTask, run_single_task, try_example
from eas_worker.settings import MAX_PROCESSES
from eas_worker.storage.attempt_guard import AttemptGuard
from eas_worker.storage.attempt_page import AttemptPage
from eas_worker.storage.child_state import NO_RECYCLING
from eas_worker.storage.process_bonds import die_with_parent
from eas_worker.storage.run_files import find_inputs, open_run_file, put_file, write_metadata
from eas_worker.storage.single_task_child import PlainStreams, watch_single_task_child
from eas_worker.storage.targets import Target, find_targets
from eas_worker.storage.task_type_files import TaskTypeError
from eas_worker.storage.task_types import InstalledTaskTypes, describe_task_type

#: Beside the answer: the version of the task type, as soon as it is known.
_VERSION = "version.txt"


def watch_task(request: SingleTaskRequest, asked: AuthoringRequest) -> None:
    """Run the task of a file in a child that is kept within its limits, and see that there is an answer.

    Where the child dies without having run a task, so does this process, and there is none.
    """
    try:
        file = open_run_file(request.config)
    except RunFileError as error:
        _leave(AuthoringAnswer(refusal=str(error)), asked)
        return
    defaults = SingleTaskLimits(memory_gb=find_memory_gb(), max_processes=MAX_PROCESSES)
    limits = request.limits.over(file.limits).over(defaults)

    def work(page: AttemptPage) -> None:
        own = AttemptLimits(limits.memory_gb, limits.cpu_timeout, limits.disk_gb, limits.max_processes)
        _leave(_answer_run(request, asked, file, AttemptGuard(page, PlainStreams(), own, NO_RECYCLING)), asked)

    end = watch_single_task_child(work, asked.folder, limits.run_timeout)
    if asked.answer.exists():
        return
    reason, message = explain_death(end.departure)
    if end.running is None or reason is FailureReason.LOST or end.departure.status == WORKER_FAULT:
        _follow(end.departure)
    failed = SingleTaskRun(
        task_type=file.task_type,
        version=asked.answer.with_name(_VERSION).read_text("utf-8"),
        job_name=file.job_name,
        task_name=file.task_name,
        seed=file.seed if request.seed is None else request.seed,
        state="failed",
        reason=reason,
        message=message,
        wall_time=end.wall_time,
        cpu_time=end.cpu_time,
    )
    _leave(AuthoringAnswer(run=failed), asked)


def _follow(departure: Departure) -> NoReturn:
    """End as the child did."""
    if departure.signal is not None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.kill(os.getpid(), departure.signal)
    sys.exit(departure.status or 1)


def _leave(answer: AuthoringAnswer, asked: AuthoringRequest) -> None:
    """Put the answer in its place, which never holds half of it."""
    part = asked.answer.with_suffix(".part")
    part.write_text(answer.model_dump_json(), "utf-8")
    part.replace(asked.answer)


def _answer_run(request: SingleTaskRequest, asked: AuthoringRequest, file: RunFile, guard: Guard) -> AuthoringAnswer:
    try:
        return AuthoringAnswer(run=run_task(request, asked, file, guard))
    except (RunFileError, TaskTypeError) as error:
        return AuthoringAnswer(refusal=str(error))


def run_task(request: SingleTaskRequest, asked: AuthoringRequest, file: RunFile, guard: Guard) -> SingleTaskRun:
    """Run the task of a file and put its outputs where the file says.

    Raises
    ------
    RunFileError
        The file is wrong, or an output cannot be written.
    """
    beside = request.config.parent.absolute()  # before tasks change the current folder
    folders = [beside, Path.cwd()] if request.base is None else [request.base.absolute()]
    folder = (folders[0] if request.out is None else request.out.absolute()) / file.directory
    catalog = InstalledTaskTypes.discover(folder=asked.task_types)
    task_type = _find(catalog, file)
    fit_slots(file, task_type)
    task = SingleTask(
        task_type.name,
        read_settings(file, task_type),
        find_inputs(file, folders),
        {slot: Path(path).name for slot, path in file.outputs.items()},
        file.seed if request.seed is None else request.seed,
    )
    limits = ExecutionLimits(asked.cpus, asked.input_directory, asked.commands)
    asked.answer.with_name(_VERSION).write_text(task_type.version, "utf-8")
    answer = run_single_task(task, catalog, limits, asked.folder, guard)
    return SingleTaskRun(
        task_type=task_type.name,
        version=task_type.version,
        job_name=file.job_name,
        task_name=file.task_name,
        seed=task.seed,
        state=answer.state,
        reason=answer.reason,
        message=answer.message,
        wall_time=answer.wall_time,
        cpu_time=answer.cpu_time_with_children,
        metadata=answer.metadata,
        outputs=[_put_output(output, answer, file, folder, request.keep_metadata) for output in answer.outputs],
    )


def _find(catalog: InstalledTaskTypes, file: RunFile) -> TaskType:
    try:
        found = catalog.find(file.task_type)
        if found is None:
            known = ", ".join(catalog.names())
            raise RunFileError(
                f"{file.source}: [task] task: there is no task type {file.task_type!r}; there are {known}"
            )
    except TaskTypeError as error:
        raise RunFileError(f"{file.source}: [task] task: {error}") from error
    return found


def _put_output(
    output: AnsweredOutput, answer: Answer, file: RunFile, folder: Path, keep_metadata: bool
) -> SingleTaskOutput:
    made = Path(output.path)
    name = file.outputs.get(output.slot) or output.filename
    if output.slot not in file.outputs and Path(name).name != name:
        raise RunFileError(f"output {output.slot!r}: the task named it {name!r}, which is no filename")
    target = folder / name
    accepted = answer.state == "accepted"
    if not accepted:
        target = target.with_name(target.name + ".rejected")
    put_file(made, target)
    if keep_metadata:
        write_metadata(target, output.metadata)
    return SingleTaskOutput(
        slot=output.slot,
        path=target,
        size=made.stat().st_size,
        mime_type=output.mime_type,
        metadata=output.metadata,
        passed_qc=accepted and output.passed_qc,
        qc_reason=output.qc_reason,
    )


def inspect_targets(request: InspectionRequest, asked: AuthoringRequest) -> list[Inspection]:
    """Inspect all that the names mean, and try the examples that there are."""
    targets = [target for name in request.targets for target in find_targets(name)]
    checks = [check for target in targets for check in target.found.checks]
    installed = InstalledTaskTypes.discover()
    taken: dict[str, str] = {}
    inspections: list[Inspection] = []
    for target in targets:
        if target.problem:
            finding = Finding(severity="error", message=target.problem)
            inspections.append(
                Inspection(
                    subject="cannot be used",
                    source=target.source,
                    findings=[finding],
                    stops_workers=target.stops_workers,
                )
            )
        for task_type in target.found.task_types:
            inspection = _inspect(task_type, target.source)
            if rival := taken.get(task_type.name) or installed.find_rival(task_type.name, target.source):
                message = (
                    f"there is a task type {task_type.name!r} already, in {rival}; workers would leave this one out"
                )
                inspection.findings.append(Finding(severity="error", message=message))
            taken.setdefault(task_type.name, target.source)
            if inspection.passed and request.try_examples and task_type.example is not None:
                _try(task_type, inspection, checks, asked, len(inspections))
            inspections.append(inspection)
        inspections += [_describe_check(check, target) for check in target.found.checks]
    return inspections


def _inspect(task_type: TaskType, source: str) -> Inspection:
    findings = inspect_task_type(task_type)
    if isinstance(task_type.run, ExecutableRun) and (missing := task_type.run.find_missing()):
        findings.append(Finding(severity="error", message=missing))
    if all(finding.severity != "error" for finding in findings):
        try:
            describe_task_type(task_type)
        except TaskTypeError as problem:
            findings.append(Finding(severity="error", message=str(problem)))
    subject = f"task type {task_type.name!r} {task_type.version}"
    return Inspection(subject=subject, source=source, findings=findings)


def _try(
    task_type: TaskType, inspection: Inspection, checks: list[QualityCheck], asked: AuthoringRequest, number: int
) -> None:
    """Try the example of a task type and add what that finds to its inspection."""
    assert task_type.example is not None  # noqa: S101 - the caller has looked
    folder = asked.folder / f"{number}-{task_type.name}"
    folder.mkdir()
    limits = ExecutionLimits(asked.cpus, asked.input_directory, asked.commands)
    found, inspection.tried = try_example(task_type, task_type.example, checks, limits, folder)
    inspection.findings += found


def _describe_check(check: QualityCheck, target: Target) -> Inspection:
    whom = ", ".join(sorted(check.task_types)) or "all task types"
    return Inspection(subject=f"quality check {check.name!r} of {whom}", source=target.source)


def _answer_inspection(request: InspectionRequest, asked: AuthoringRequest) -> AuthoringAnswer:
    try:
        return AuthoringAnswer(inspections=inspect_targets(request, asked))
    except TaskTypeError as error:
        return AuthoringAnswer(refusal=str(error))


def main() -> None:
    """Do what the request on the command line asks for. Started by `eas` only."""
    asked = AuthoringRequest.model_validate_json(sys.argv[1])
    die_with_parent(os.getppid())
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    environment = set_share(make_environment(), Share(threads=asked.cpus))
    os.environ.clear()
    os.environ.update(environment)  # numerical libraries read it when they are imported, which is later
    level = logging.INFO if isinstance(asked.request, SingleTaskRequest) else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)-7s %(name)s: %(message)s", stream=sys.stderr)
    logging.captureWarnings(True)
    warnings.simplefilter("default")
    match asked.request:
        case SingleTaskRequest():
            watch_task(asked.request, asked)
        case InspectionRequest():
            _leave(_answer_inspection(asked.request, asked), asked)


if __name__ == "__main__":
    main()
