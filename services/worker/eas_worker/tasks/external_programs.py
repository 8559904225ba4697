"""What task types share that run a program which EAS does not have: its configured command, run like any executable.

::

    # the file that EAS_WORKER_COMMANDS names: a table for each task type
    [transit_search_dst_v29]
    command = ["/opt/dst/bin/dst29", "{input}"]
    environment = { DST_HOME = "/opt/dst" }
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from eas.authoring.errors import InputError
from eas.authoring.executables import ExecutableRun
from eas.authoring.program_results import Declared, ExecutableDeclaration, Word, describe_problems
from eas.authoring.task_type import TaskContext
from eas.contracts.metadata import Metadata


class ConfiguredCommand(Declared):
    """A table of the file of commands."""

    command: list[Word] = Field(default=[], description="Program and arguments; './x' is beside the file.")
    environment: dict[Word, str] = Field(default={}, description="Further variables of its environment.")
    pass_environment: list[Word] = Field(default=[], description="Variables to hand over from the worker's own.")
    data: Path | None = Field(default=None, description="Folder of the files that the program needs.")


def read_command(context: TaskContext, task_type: str) -> ConfiguredCommand | None:
    """Find what this worker's file of commands says of a task type; None where it says nothing.

    Raises
    ------
    InputError
        The file cannot be read, or its table is wrong.
    """
    if context.commands is None:
        return None
    try:
        tables = tomllib.loads(context.commands.read_text("utf-8"))
        return ConfiguredCommand.model_validate(tables[task_type]) if task_type in tables else None
    except OSError as error:
        raise InputError(f"the file of commands {context.commands}: {error.strerror}") from error
    except ValidationError as error:
        raise InputError(f"{context.commands}: {task_type}: {describe_problems(error)}") from error
    except ValueError as error:
        raise InputError(f"{context.commands}: {error}") from error


def require_command(context: TaskContext, task_type: str) -> ConfiguredCommand:
    """Find the command of a task type.

    Raises
    ------
    InputError
        There is none: says what to configure.
    """
    found = read_command(context, task_type)
    if found is not None and found.command:
        return found
    where = f"{context.commands} has no command in a table [{task_type}]" if context.commands else "none is configured"
    raise InputError(
        f"{task_type} runs a program that is not part of EAS, and {where}: write its command into a "
        f"table [{task_type}] of a TOML file, and name the file in EAS_WORKER_COMMANDS (see docs/executables.md)"
    )


def run_command(
    context: TaskContext,
    configured: ConfiguredCommand,
    *,
    task_type: str,
    settings: dict[str, Any],
    words: Mapping[str, str],
) -> Metadata:
    """Run a configured command like an executable task type: the same files and variables, the same results.

    Parameters
    ----------
    context
        Of the task; its inputs are what the program gets.
    configured
        What to run.
    task_type
        Its name.
    settings
        For `task.json`.
    words
        What stands for ``{input}``, ``{seed}`` and so on in the command.

    Returns
    -------
    Metadata
        Those of `result.json`.

    Raises
    ------
    ProgramError, OutputError
        As `ExecutableRun.run`.
    """
    declaration = ExecutableDeclaration(
        name=task_type,
        version="1",
        command=[_fill_in(word, words) for word in configured.command],
        environment=configured.environment,
        pass_environment=configured.pass_environment,
    )
    folder = context.commands.resolve().parent if context.commands else context.directory
    return ExecutableRun(declaration, folder).run(context, settings)


def _fill_in(text: str, words: Mapping[str, str]) -> str:
    for name, value in words.items():
        text = text.replace(f"{{{name}}}", value)
    return text
