"""``eas up``: the whole suite in one process, until Ctrl-C."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from eas.client.suite.endpoint import DEFAULT_FOLDER
from eas.contracts.authoring import InspectionRequest
from eas.log_lines import write_log_lines
from eas_control.domain.errors import UsageError
from eas_control.handlers.database_options import DatabaseOption
from eas_control.storage.author_process import ask_author_process
from eas_control.views.text import plain


def up(
    data: Annotated[Path, typer.Option(help="Folder for databases, files and tokens.")] = DEFAULT_FOLDER,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8321,
    workers: Annotated[int, typer.Option(min=0, max=1024, help="Worker processes, one task at a time each.")] = 2,
    input_directory: Annotated[
        Path | None, typer.Option("--input", help="Folder of the external files that tasks may read.")
    ] = None,
    task_types: Annotated[
        Path | None, typer.Option("--task-types", help="Folder of Python files with your own task types and checks.")
    ] = None,
    tokens_file: Annotated[Path | None, typer.Option(help="Your own tokens, in place of the folder's.")] = None,
    database: DatabaseOption = None,
    broker: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="EAS_BROKER",
            show_envvar=True,
            help="RabbitMQ, besides HTTP: amqp://USER:PASSWORD@HOST/VIRTUAL_HOST, or amqps://…",
        ),
    ] = None,
    follow_stdin: Annotated[bool, typer.Option("--follow-stdin", hidden=True)] = False,
) -> None:
    """Run all services and workers here, until Ctrl-C. A second Ctrl-C is harsher."""
    if input_directory is not None and not input_directory.is_dir():
        raise UsageError(f"--input {input_directory}: no such folder")
    if broker is not None and not broker.startswith(("amqp://", "amqps://")):
        raise UsageError("--broker: expected amqp://USER:PASSWORD@HOST/VIRTUAL_HOST, or amqps://…")
    if task_types is not None:
        _show_problems(task_types)
    try:
        grace_seconds = float(os.environ.get("EAS_WORKER_GRACE_SECONDS", "10"))
    except ValueError as error:
        raise UsageError(f"EAS_WORKER_GRACE_SECONDS: {error}") from error
    write_log_lines(own_level=logging.WARNING)

    # Only this command needs the services: all others start quickly and do without them.
    from eas_control.handlers.foreground import run_in_foreground
    from eas_control.suite import SuiteTerms

    terms = SuiteTerms(
        data, host, port, workers, input_directory, tokens_file, grace_seconds, task_types, database, broker
    )
    run_in_foreground(terms, follow_stdin=follow_stdin)


def _show_problems(task_types: Path) -> None:
    """Say which files workers will leave out, for their own logs are far away.

    Raises
    ------
    UsageError
        There is no such folder, or no worker could offer anything with it.
    """
    if not task_types.is_dir():
        raise UsageError(f"--task-types {task_types}: no such folder")
    answer = ask_author_process(InspectionRequest(targets=[str(task_types)], try_examples=False))
    for inspection in answer.inspections or []:
        if inspection.stops_workers:
            raise UsageError(f"{inspection.source}: {inspection.findings[0].message}")
        for finding in inspection.findings:
            if finding.severity == "error":
                print(plain(f"eas: {inspection.source}: {finding.message}"), file=sys.stderr)
