"""What users do to jobs besides submitting them: dry_run, cancel, pause, resume, try again, excuse."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from eas.client.suite import Suite
from eas.contracts.execution import ExecutionRules
from eas.contracts.scheduler import JobView, TaskView
from eas.contracts.states import FailureReason
from eas_control.handlers.jobs import read_document
from eas_control.handlers.options import DataOption, JobArgument, JsonOption, RerunOption, ask
from eas_control.views.documents import print_json
from eas_control.views.tables import describe_job, tabulate_plan, tabulate_task
from eas_control.views.text import open_console, print_warnings


def plan(
    file: Annotated[Path, typer.Argument(help="Job document; - reads standard input.")],
    rerun: RerunOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a job and count what it would make, without submitting it. Exit status: 0 it could run, 2 refused."""
    document = read_document(file)
    found = ask(data, lambda suite: suite.plan(document, rerun=rerun))
    if as_json:
        print_json(found)
    else:
        open_console().print(tabulate_plan(found))
        print_warnings(found.warnings)


def cancel(
    job: Annotated[int | None, typer.Argument(metavar="JOB", help="The job's number.")] = None,
    task: Annotated[int | None, typer.Option(help="Only this task and all below it.")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """End everything of a job, or a task and all below it, that has not ended."""
    if (job is None) == (task is None):
        raise typer.BadParameter("name a job, or a task with --task")
    if job is not None:
        _show(data, lambda suite: suite.scheduler.cancel_job(job), as_json=as_json)
    elif task is not None:
        _show_task(data, lambda suite: suite.scheduler.cancel_task(task), as_json=as_json)


def pause(job: JobArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Hand out nothing more of a job; what runs goes on."""
    _show(data, lambda suite: suite.scheduler.pause_job(job), as_json=as_json)


def resume(job: JobArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Go on with a paused job."""
    _show(data, lambda suite: suite.scheduler.resume_job(job), as_json=as_json)


def retry(
    job: JobArgument,
    task: Annotated[
        list[int] | None, typer.Option(help="Only this task; may be repeated. Cancelled tasks have to be named.")
    ] = None,
    reason: Annotated[
        list[FailureReason] | None, typer.Option(help="Only what ended for this reason; may be repeated.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Use this setting instead of the job's own; may be repeated. JSON, or text.",
        ),
    ] = None,
    rules: Annotated[
        list[str] | None,
        typer.Option(
            "--rule", metavar="KEY=VALUE", help="Use this rule of `execution` instead; may be repeated. memory_gb=8"
        ),
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Try again what failed in a job; what it had blocked then goes on."""
    settings = dict(read_setting(text, "--set") for text in changes or ())
    execution = _read_rules(dict(read_setting(text, "--rule") for text in rules or ()))
    _show(
        data,
        lambda suite: suite.scheduler.retry_job(
            job, task_ids=task or (), reasons=reason or (), settings=settings, execution=execution
        ),
        as_json=as_json,
    )


def _read_rules(said: dict[str, Any]) -> ExecutionRules | None:
    try:
        return ExecutionRules.model_validate(said) if said else None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise typer.BadParameter(f"{where}: {first['msg']}", param_hint="--rule") from error


def read_setting(text: str, option: str) -> tuple[str, Any]:
    """Split ``key=value``. What is no JSON is text."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise typer.BadParameter(f"expected KEY=VALUE, not {text!r}", param_hint=option)
    try:
        return key.strip(), json.loads(value, parse_constant=_refuse)
    except ValueError:
        return key.strip(), value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def excuse(
    task_id: Annotated[int, typer.Argument(metavar="TASK", help="The task's number.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Why it may count as done.")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count a failed task as done, without results, where nobody needs its files."""
    _show_task(data, lambda suite: suite.scheduler.excuse_task(task_id, text), as_json=as_json)


def _show(data: Path | None, verb: Callable[[Suite], Awaitable[JobView]], *, as_json: bool) -> None:
    job = ask(data, verb)
    if as_json:
        print_json(job)
    else:
        open_console().print(describe_job(job))


def _show_task(data: Path | None, verb: Callable[[Suite], Awaitable[TaskView]], *, as_json: bool) -> None:
    task = ask(data, verb)
    if as_json:
        print_json(task)
    else:
        open_console().print(tabulate_task(task))
