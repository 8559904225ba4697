"""``eas task-types`` and ``eas run-task``: what can be asked of workers, and trying it without any."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from eas.contracts.authoring import AuthoringAnswer, InspectionRequest, SingleTaskLimits, SingleTaskRequest
from eas.contracts.states import FailureReason
from eas_control.domain.errors import UsageError
from eas_control.handlers.options import DataOption, JsonOption, ask
from eas_control.storage.author_process import ask_author_process
from eas_control.views.authoring import print_inspections, print_run
from eas_control.views.documents import print_json
from eas_control.views.tables import tabulate_task_types
from eas_control.views.text import open_console

app = typer.Typer(help="List what a job may name under `task`, and check task types of your own.")

#: Exit status of `eas run-task` where the task used more than it may.
STOPPED = 3
_LIMIT_REASONS = frozenset({FailureReason.OUT_OF_MEMORY, FailureReason.OVER_LIMIT, FailureReason.TIMEOUT})

FilesOption = Annotated[
    Path | None,
    typer.Option("--task-types", help="File or folder of Python files with your own task types and checks."),
]
InputOption = Annotated[Path | None, typer.Option("--input", help="Folder of the external files that tasks may read.")]
CommandsOption = Annotated[
    Path | None, typer.Option("--commands", help="TOML file with the commands of external programs.")
]
CpusOption = Annotated[int, typer.Option(min=1, max=1024, help="Threads that the task may use.")]


@app.callback(invoke_without_command=True)
def task_types(context: typer.Context, data: DataOption = None, as_json: JsonOption = False) -> None:
    """List what a job may name under `task`, and check task types of your own. By itself: list."""
    if context.invoked_subcommand is None:
        list_task_types(data, as_json)
    elif data is not None or as_json:
        raise UsageError(f"options of `eas task-types {context.invoked_subcommand}` stand behind it")


@app.command("list")
def list_task_types(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List what a job may name under `task`: what EAS ships, and what workers of the suite have offered."""
    found = ask(data, lambda suite: suite.scheduler.list_task_types())
    if as_json:
        print_json(found)
    else:
        open_console().print(tabulate_task_types(found))


@app.command()
def check(
    targets: Annotated[
        list[str],
        typer.Argument(metavar="TARGET...", help="Files, folders, modules, module:attribute, or installed names."),
    ],
    strict: Annotated[bool, typer.Option("--strict", help="Advice counts as an error.")] = False,
    input_directory: InputOption = None,
    commands: CommandsOption = None,
    cpus: CpusOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Load task types and quality checks, look at what they declare, and run their examples. Needs no suite."""
    _refuse_missing("--input", input_directory)
    _refuse_missing("--commands", commands)
    answer = ask_author_process(
        InspectionRequest(targets=targets), input_directory=input_directory, commands=commands, cpus=cpus
    )
    found = answer.inspections or []
    if as_json:
        print_json(found)
    else:
        print_inspections(open_console(), found)
    if not all(inspection.passed and not (strict and inspection.findings) for inspection in found):
        raise typer.Exit(1)


def run_task(
    config: Annotated[Path, typer.Argument(help="The task in TOML, or in INI (.ini, .cfg, .conf).")],
    base: Annotated[
        Path | None,
        typer.Option(help="Folder of relative paths. Else inputs are looked for beside the file, and in this folder."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where relative outputs go; else --base, or beside the file.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="In place of the file's; else 0.")] = None,
    keep_metadata: Annotated[
        bool, typer.Option("--keep-metadata", help="Write each output's metadata beside it, as inputs have theirs.")
    ] = False,
    files: FilesOption = None,
    input_directory: InputOption = None,
    commands: CommandsOption = None,
    cpus: CpusOption = 1,
    run_timeout: Annotated[float | None, typer.Option(help="Most time that the task may run [s].")] = None,
    cpu_timeout: Annotated[float | None, typer.Option(help="Most processor time [s].")] = None,
    memory_gb: Annotated[float | None, typer.Option(help="Memory that it may use [GB].")] = None,
    disk_gb: Annotated[float | None, typer.Option(help="Most that it may write [GB].")] = None,
    max_processes: Annotated[int | None, typer.Option(help="Most processes and threads.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run one task by itself: no suite, no job.

    Status 0: accepted, 1: rejected or failed, 2: the file is wrong, 3: stopped at a limit. Limits go before the file's.
    """
    limits = _read_limits(
        run_timeout=run_timeout,
        cpu_timeout=cpu_timeout,
        memory_gb=memory_gb,
        disk_gb=disk_gb,
        max_processes=max_processes,
    )
    _refuse_missing("--input", input_directory)
    _refuse_missing("--commands", commands)
    _refuse_missing("--task-types", files)
    _refuse_missing("--base", base)
    request = SingleTaskRequest(
        config=config, base=base, out=out, seed=seed, keep_metadata=keep_metadata, limits=limits
    )
    answer = ask_author_process(
        request, task_types=files, input_directory=input_directory, commands=commands, cpus=cpus
    )
    _show_run(answer, as_json=as_json)


def _show_run(answer: AuthoringAnswer, *, as_json: bool) -> None:
    if answer.run is None:
        raise UsageError(answer.refusal or "the task was not run")
    if as_json:
        print_json(answer.run)
    else:
        print_run(open_console(), answer.run)
    if answer.run.state != "accepted":
        raise typer.Exit(STOPPED if answer.run.reason in _LIMIT_REASONS else 1)


def _read_limits(**given: float | None) -> SingleTaskLimits:
    try:
        return SingleTaskLimits.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        option = f"--{found['loc'][0]}".replace("_", "-")
        raise UsageError(f"{option} {found['input']}: {found['msg']}") from error


def _refuse_missing(option: str, path: Path | None) -> None:
    if path is not None and not path.exists():
        raise UsageError(f"{option} {path}: there is no such file or folder")
