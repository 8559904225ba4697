"""What users do to jobs besides submitting them: rehearse, cancel, pause, resume, try again, excuse."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

from services.control.handlers.jobs import read_document
from services.control.handlers.options import DataOption, JobArgument, JsonOption, ask
from services.control.views.documents import print_json
from services.control.views.tables import describe_job, tabulate_plan, tabulate_task
from services.control.views.text import open_console
from shared.clients.suite.clients import SuiteClients
from shared.contracts.scheduler import JobView
from shared.contracts.states import FailureReason


def plan(
    file: Annotated[Path, typer.Argument(help="Job document; - reads standard input.")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a job and count what it would make, without submitting it. Exit status: 0 it could run, 2 refused."""
    document = read_document(file)
    found = ask(data, lambda suite: suite.scheduler.plan_job(document))
    if as_json:
        print_json(found)
    else:
        open_console().print(tabulate_plan(found))


def cancel(job: JobArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """End everything of a job that has not ended."""
    _show(data, lambda suite: suite.scheduler.cancel_job(job), as_json=as_json)


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
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Try again what failed in a job; what it had blocked then goes on."""
    _show(
        data,
        lambda suite: suite.scheduler.retry_job(job, task_ids=task or (), reasons=reason or ()),
        as_json=as_json,
    )


def excuse(
    task_id: Annotated[int, typer.Argument(metavar="TASK", help="The task's number.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Why it may count as done.")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count a failed task as done, without results, where nobody needs its files."""
    found = ask(data, lambda suite: suite.scheduler.excuse_task(task_id, text))
    if as_json:
        print_json(found)
    else:
        open_console().print(tabulate_task(found))


def _show(data: Path | None, verb: Callable[[SuiteClients], Awaitable[JobView]], *, as_json: bool) -> None:
    job = ask(data, verb)
    if as_json:
        print_json(job)
    else:
        open_console().print(describe_job(job))
