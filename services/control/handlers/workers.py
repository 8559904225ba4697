"""Who works, and what can be asked of them."""

from __future__ import annotations

from typing import Annotated

import typer

from services.control.handlers.options import DataOption, JsonOption, ask
from services.control.views.documents import print_json
from services.control.views.tables import tabulate_task_types, tabulate_workers
from services.control.views.text import open_console


def workers(
    everyone: Annotated[bool, typer.Option("--all", help="Also those that are gone.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List workers."""
    known = ask(data, lambda suite: suite.scheduler.list_workers())
    found = [worker for worker in known if everyone or not worker.gone]
    if as_json:
        print_json(found)
    else:
        open_console().print(tabulate_workers(found))


def task_types(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List what a job may name under `task`."""
    found = ask(data, lambda suite: suite.scheduler.list_task_types())
    if as_json:
        print_json(found)
    else:
        open_console().print(tabulate_task_types(found))
