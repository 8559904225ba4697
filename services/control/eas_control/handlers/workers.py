"""Who works, and under which rules."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from pydantic import ValidationError

from eas.client.suite import Suite
from eas.contracts.errors import NotFoundError
from eas.contracts.execution import TaskTypeRules
from eas.contracts.states import FailureReason
from eas_control.domain.errors import UsageError
from eas_control.handlers.options import DataOption, JsonOption, ask
from eas_control.views.documents import print_json
from eas_control.views.tables import describe_rules, tabulate_workers
from eas_control.views.text import open_console


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


def drain(
    names: Annotated[list[str], typer.Argument(metavar="WORKER...", help="As `eas workers` lists them.")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let workers take nothing more, finish or hand back what they have, and end."""

    async def run(suite: Suite) -> None:
        for name in names:
            await suite.scheduler.drain(name)

    ask(data, run)
    if as_json:
        print_json({"draining": names})
    else:
        open_console().print(f"told to stop: {', '.join(names)}", markup=False)


def rules(
    task_type: Annotated[str, typer.Argument(metavar="TYPE", help="A task type that workers run.")],
    max_running: Annotated[int | None, typer.Option(min=0, help="Most attempts at the same time.")] = None,
    priority: Annotated[int | None, typer.Option(help="Higher ones are handed out first.")] = None,
    max_attempts: Annotated[int | None, typer.Option(min=1, help="Most attempts of a task.")] = None,
    retry_on: Annotated[list[FailureReason] | None, typer.Option(help="Reasons for another attempt.")] = None,
    retry_delay: Annotated[float | None, typer.Option(min=0, help="Pause before the second attempt [s].")] = None,
    run_timeout: Annotated[float | None, typer.Option(help="Most time that an attempt may run [s].")] = None,
    queue_timeout: Annotated[float | None, typer.Option(help="Most time that it may be queued [s].")] = None,
    memory_gb: Annotated[float | None, typer.Option(help="Memory of an attempt [GB].")] = None,
    cpu_timeout: Annotated[float | None, typer.Option(help="Most processor time of an attempt [s].")] = None,
    disk_gb: Annotated[float | None, typer.Option(help="Most that an attempt may write [GB].")] = None,
    max_processes: Annotated[int | None, typer.Option(help="Most processes and threads of an attempt.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove all that was set.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set the rules for the attempts of a task type, in place of those before; without options, show them."""
    said = {
        "max_running": max_running,
        "priority": priority,
        "max_attempts": max_attempts,
        "retry_on": tuple(retry_on) if retry_on else None,
        "retry_delay": retry_delay,
        "run_timeout": run_timeout,
        "queue_timeout": queue_timeout,
        "memory_gb": memory_gb,
        "cpu_timeout": cpu_timeout,
        "disk_gb": disk_gb,
        "max_processes": max_processes,
    }
    said = {name: value for name, value in said.items() if value is not None}

    async def run(suite: Suite) -> TaskTypeRules:
        if said or clear:
            return await suite.scheduler.set_rules(task_type, read_rules(said))
        known = {found.name: found.rules for found in await suite.scheduler.list_task_types()}
        if task_type not in known:
            raise NotFoundError(f"there is no task type {task_type!r}; there are {', '.join(known)}")
        return known[task_type]

    found = ask(data, run)
    if as_json:
        print_json(found)
    else:
        open_console().print(describe_rules(task_type, found))


def read_rules(said: dict[str, Any]) -> TaskTypeRules:
    """Check rules that were given as options. Raises `UsageError`."""
    try:
        return TaskTypeRules.model_validate(said)
    except ValidationError as error:
        fault = error.errors()[0]
        raise UsageError(f"--{str(fault['loc'][0]).replace('_', '-')}: {fault['msg']}") from error
