"""``eas containers``: the kinds of worker, and what each was given."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eas_control.domain.errors import UsageError
from eas_control.handlers.jobs import read_document
from eas_control.handlers.options import DataOption, JsonOption, ask
from eas_control.views.documents import print_json
from eas_control.views.tables import tabulate_containers
from eas_control.views.text import open_console

app = typer.Typer(help="List the kinds of worker, load a registry of them, and assign resources.")


@app.callback(invoke_without_command=True)
def containers(context: typer.Context, data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the kinds of worker, load a registry of them, and assign resources. By itself: list them."""
    if context.invoked_subcommand is None:
        list_containers(data, as_json)
    elif data is not None or as_json:
        raise UsageError(f"options of `eas containers {context.invoked_subcommand}` stand behind it")


@app.command("list")
def list_containers(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the kinds of worker with what each asks for, was given, and can run."""
    found = ask(data, lambda suite: suite.scheduler.list_containers())
    if as_json:
        print_json(found.containers)
    else:
        open_console().print(tabulate_containers(found.containers))


@app.command()
def load(
    file: Annotated[Path, typer.Argument(help="Registry in XML; - reads standard input.")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add the containers and task types of a registry. What was assigned before stays."""
    registry = read_document(file)
    found = ask(data, lambda suite: suite.scheduler.load_registry(registry))
    if as_json:
        print_json(found.containers)
    else:
        open_console().print(tabulate_containers(found.containers))


@app.command()
def assign(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The container's name.")],
    cpu: Annotated[float | None, typer.Option(min=0, help="Processor cores of each of its workers.")] = None,
    gpu: Annotated[int | None, typer.Option(min=0, help="Graphics processors of each of its workers.")] = None,
    memory_gb: Annotated[
        float | None, typer.Option("--memory-gb", min=0, help="Memory of each of its workers [GB]; 0: no limit.")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change what the workers of a container are given. They heed it when they are next started."""
    if cpu is None and gpu is None and memory_gb is None:
        raise UsageError("say what to assign: --cpu, --gpu or --memory-gb")
    found = ask(data, lambda suite: suite.assign_resources(name, cpu=cpu, gpu=gpu, memory_gb=memory_gb))
    if as_json:
        print_json(found)
    else:
        open_console().print(tabulate_containers([found]))
