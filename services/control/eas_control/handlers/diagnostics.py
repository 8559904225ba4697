"""Diagnostics: why a task stands where it does, tables about jobs and queues, and changes as they happen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from eas.client.suite import Suite
from eas.client.suite.watching import watch_job
from eas.contracts.diagnostics import JobEnd, JobFilter, StateChange, TableView
from eas.contracts.states import JobState
from eas_control.handlers.options import CsvOption, DataOption, JobArgument, JsonOption, ask, refuse_both
from eas_control.views.diagnostics import describe_change, describe_why, tabulate, write_csv
from eas_control.views.documents import print_json
from eas_control.views.text import open_console

Shown = TypeVar("Shown", bound=TableView)

JobOption = Annotated[int | None, typer.Option("--job", min=0, help="Only this job.")]
NameOption = Annotated[str | None, typer.Option("--job-name", help="Only jobs of this name.")]
TypeOption = Annotated[str | None, typer.Option("--type", help="Only this task type.")]
LimitOption = Annotated[int, typer.Option(min=1, max=1000, help="The latest so many.")]


def why(
    task_id: Annotated[int, typer.Argument(metavar="TASK", help="The task's number.")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain why a task waits, runs, ran again, is blocked or failed."""
    found = ask(data, lambda suite: suite.scheduler.explain_task(task_id))
    if as_json:
        print_json(found)
    else:
        open_console().print(describe_why(found), soft_wrap=True)


def show_table(
    data: Path | None,
    question: Callable[[Suite], Awaitable[Shown]],
    *,
    as_json: bool,
    as_csv: bool,
) -> Shown:
    """Ask for a table, print it, and return it.

    Raises
    ------
    UsageError
        As JSON and as CSV at once.
    """
    refuse_both(as_json=as_json, as_csv=as_csv)
    found = ask(data, question)
    if as_json:
        print_json(found)
    elif as_csv:
        write_csv(found)
    else:
        open_console().print(tabulate(found))
    return found


def progress(
    job: JobOption = None,
    job_name: NameOption = None,
    task_type: TypeOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Count tasks by type and state."""
    chosen = JobFilter(job, job_name, task_type)
    show_table(data, lambda suite: suite.scheduler.get_progress(chosen), as_json=as_json, as_csv=as_csv)


def outcomes(
    job: JobOption = None,
    job_name: NameOption = None,
    task_type: TypeOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Tabulate what tasks inherited against PASS, FAIL and UNDEFINED."""
    chosen = JobFilter(job, job_name, task_type)
    show_table(data, lambda suite: suite.outcomes(chosen), as_json=as_json, as_csv=as_csv)


def timings(
    job: JobOption = None,
    job_name: NameOption = None,
    task_type: TypeOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Tabulate what tasks inherited against the run times of their attempts [s]."""
    chosen = JobFilter(job, job_name, task_type)
    show_table(data, lambda suite: suite.timings(chosen), as_json=as_json, as_csv=as_csv)


def errors(
    job: JobOption = None,
    job_name: NameOption = None,
    task_type: TypeOption = None,
    limit: LimitOption = 100,
    data: DataOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List attempts that failed, were lost or were rejected, newest last."""
    chosen = JobFilter(job, job_name, task_type)
    show_table(data, lambda suite: suite.scheduler.list_errors(chosen, limit=limit), as_json=as_json, as_csv=as_csv)


def timeline(
    job: JobOption = None,
    job_name: NameOption = None,
    task_type: TypeOption = None,
    longer_than: Annotated[float, typer.Option(min=0, help="Only attempts that took so long [s].")] = 0.0,
    limit: LimitOption = 200,
    data: DataOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show which worker did what when."""
    chosen = JobFilter(job, job_name, task_type)

    async def question(suite: Suite) -> TableView:
        return await suite.scheduler.get_timeline(chosen, min_duration=longer_than, limit=limit)

    show_table(data, question, as_json=as_json, as_csv=as_csv)


def hosts(data: DataOption = None, as_json: JsonOption = False, as_csv: CsvOption = False) -> None:
    """List the machines whose workers are here."""
    show_table(data, lambda suite: suite.scheduler.list_hosts(), as_json=as_json, as_csv=as_csv)


def watch(
    job: JobArgument,
    data: DataOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document a line and nothing else.")] = False,
) -> None:
    """Print a job's state changes until it ends. Exit status: 0 only if it is done."""
    console = open_console()

    def show(found: StateChange | JobEnd) -> None:
        if as_json:
            print(found.model_dump_json(), flush=True)
        else:
            console.print(describe_change(found), soft_wrap=True)

    async def run(suite: Suite) -> bool:
        async for found in watch_job(suite.scheduler, job):
            show(found)
        return isinstance(found, JobEnd) and found.state is JobState.DONE

    if not ask(data, run):
        raise typer.Exit(1)
