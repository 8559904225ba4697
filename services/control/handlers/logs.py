"""Log records."""

from __future__ import annotations

from typing import Annotated

import typer

from services.control.handlers.options import DataOption, JsonOption, ask
from services.control.views.documents import print_json
from services.control.views.tables import write_records
from services.control.views.text import open_console
from shared.contracts.states import LogLevel

DEFAULT_LIMIT = 1000


def logs(
    job: Annotated[int | None, typer.Option(min=0, help="Records of all tasks of this job.")] = None,
    task: Annotated[int | None, typer.Option(min=0, help="Records of all attempts of this task.")] = None,
    attempt: Annotated[int | None, typer.Option(min=0, help="Records of this attempt.")] = None,
    level: Annotated[LogLevel, typer.Option(help="This level and above.")] = LogLevel.DEBUG,
    limit: Annotated[int, typer.Option(min=0, help="The latest so many.")] = DEFAULT_LIMIT,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show log records, oldest first."""
    found = ask(data, lambda suite: suite.logs(job_id=job, task_id=task, attempt_id=attempt, level=level, limit=limit))
    if as_json:
        print_json(found)
        return
    console = open_console()
    for line in write_records(found):
        console.print(line, soft_wrap=True)
