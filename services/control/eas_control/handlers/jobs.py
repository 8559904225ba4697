"""Jobs: submit, list, look into."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from eas.client.suite import Suite, paging
from eas.client.suite.errors import FileError
from eas.contracts.scheduler import JobView, TaskPage
from eas.contracts.states import JobState
from eas_control.handlers.options import (
    CsvOption,
    DataOption,
    JobArgument,
    JsonOption,
    RerunOption,
    ReuseOption,
    ask,
    refuse_both,
)
from eas_control.views.diagnostics import write_csv
from eas_control.views.documents import print_json
from eas_control.views.progress import show_progress
from eas_control.views.tables import describe_job, tabulate_jobs, tabulate_results, tabulate_task
from eas_control.views.text import open_console, print_warnings
from eas_control.views.tree import write_tree


def submit(
    file: Annotated[Path, typer.Argument(help="Job document; - reads standard input.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the job's end; status 0 only if it is done.")] = False,
    timeout: Annotated[float | None, typer.Option(min=0, help="Wait so long at most [s].")] = None,
    key: Annotated[
        str | None, typer.Option(help="Any text: the same job under the same key is submitted only once.")
    ] = None,
    rerun: RerunOption = False,
    reuse: ReuseOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Submit a job. Exit status: 0 submitted (with --wait: done), 1 failed, 2 refused."""
    document = read_document(file)

    async def run(suite: Suite) -> JobView:
        job = await suite.submit(document, key=key, rerun=rerun, reuse=reuse)
        if not as_json:
            print_warnings(job.view.warnings)
        if not wait:
            return job.view
        if not as_json:
            open_console(stderr=True).print(f"job {job.job_id} was submitted")
        with show_progress(hidden=as_json) as on_progress:
            return (await job.wait(timeout=timeout, on_progress=on_progress)).view

    job = ask(data, run)
    if as_json:
        print_json(job)
    else:
        open_console().print(describe_job(job))
    if wait and job.state is not JobState.DONE:
        raise typer.Exit(1)


def read_document(file: Path) -> bytes:
    """Read a file, or standard input where it is called ``-``."""
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise FileError(file, error) from error


def jobs(
    state: Annotated[JobState | None, typer.Option(help="Only jobs in this state.")] = None,
    name: Annotated[str | None, typer.Option(help="Only jobs of this name.")] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="So many at most.")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List jobs, newest first."""
    found = ask(data, lambda suite: paging.list_jobs(suite.scheduler, state=state, name=name, limit=limit))
    if as_json:
        print_json(found)
    else:
        open_console().print(tabulate_jobs(found))


def tree(
    job: JobArgument,
    depth: Annotated[int | None, typer.Option(min=0, max=1000, help="Levels below the root; all by default.")] = None,
    running: Annotated[bool, typer.Option("--running", help="Only what runs, and the tasks above it.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show a job's tasks as a tree."""
    refuse_both(as_json=as_json, as_csv=as_csv)
    found = ask(data, lambda suite: paging.list_tree(suite.scheduler, job, max_depth=depth, running=running))
    if as_json:
        print_json(found)
        return
    if as_csv:
        write_csv(TaskPage(items=found))
        return
    console = open_console()
    for line in write_tree(found):
        console.print(line, soft_wrap=True)


def task(
    task_id: Annotated[int, typer.Argument(metavar="TASK", help="The task's number.")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a task with its attempts."""
    found = ask(data, lambda suite: suite.scheduler.get_task(task_id))
    if as_json:
        print_json(found)
    else:
        open_console().print(tabulate_task(found))


def results(job: JobArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the outcomes of a job's finished tasks."""
    found = ask(data, lambda suite: paging.list_results(suite.scheduler, job))
    if as_json:
        print_json(found)
    else:
        open_console().print(tabulate_results(found))
