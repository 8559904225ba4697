"""Task types that are any executable, declared by a TOML or JSON file."""

from __future__ import annotations

import functools
import json
import logging
import os
import re
import shutil
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from eas.authoring.errors import OutputError
from eas.authoring.program_results import (
    ExampleDeclaration,
    ExecutableDeclaration,
    ProgramError,
    Result,
    ResultOutput,
    describe_problems,
    explain_exit,
    read_result,
)
from eas.authoring.programs import clean_environment, run_program
from eas.authoring.schema_settings import SchemaError, SchemaSettings, settings_of_schema
from eas.authoring.task_type import Example, Slot, TaskContext, TaskType, Verdict
from eas.contracts.metadata import Metadata
from eas.contracts.states import FailureReason

logger = logging.getLogger(__name__)

#: A `result.json` may be so long [bytes].
LONGEST_RESULT = 16 * 1024 * 1024
#: Settings that are longer are no variables [characters].
LONGEST_VARIABLE = 32 * 1024
TASK_FILE, RESULT_FILE = "task.json", "result.json"


class ExecutableError(ValueError):
    """A file does not declare an executable; the message says where and what was expected."""


def load_executable(path: Path) -> TaskType:
    """Make a task type of the file that declares it.

    For packages: ``TASK_TYPE = load_executable(Path(__file__).with_name("task_type.toml"))``, named by an entry point
    of the group ``eas.task_types``.

    Raises
    ------
    ExecutableError
        The file cannot be read, or is wrong.
    """
    declaration = read_declaration(path)
    try:
        settings = settings_of_schema(declaration.name, declaration.settings_schema())
    except SchemaError as error:
        raise ExecutableError(f"{path}: {error}") from error
    return TaskType(
        name=declaration.name,
        version=declaration.version,
        run=ExecutableRun(declaration, path.resolve().parent),
        settings=settings,
        inputs=tuple(Slot(name, found.required) for name, found in declaration.inputs.items()),
        outputs=tuple(Slot(name, found.required, found.mime_type) for name, found in declaration.outputs.items()),
        check=check_result,
        open_outputs=declaration.open_outputs,
        uses_seed=declaration.uses_seed,
        example=_make_example(declaration.example, path.resolve().parent),
    )


def read_declaration(path: Path) -> ExecutableDeclaration:
    """Read the file that declares an executable task type.

    Raises
    ------
    ExecutableError
        It cannot be read, is neither TOML nor JSON, or says something that is wrong.
    """
    try:
        text = path.read_text("utf-8")
        values: Any = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        return ExecutableDeclaration.model_validate(values)
    except OSError as error:
        raise ExecutableError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        raise ExecutableError(f"{path}: {describe_problems(error)}") from error
    except ValueError as error:  # of TOML, JSON or UTF-8
        raise ExecutableError(f"{path}: {error}") from error


def check_declaration(path: Path) -> list[str]:
    """List in words what is wrong with a file that is to declare an executable task type; nothing if all is well."""
    try:
        task_type = load_executable(path)
    except ExecutableError as error:
        return [str(error)]
    assert isinstance(task_type.run, ExecutableRun)  # noqa: S101 - load_executable made it
    problem = task_type.run.find_missing()
    return [f"{path}: {problem}"] if problem else []


@dataclass(frozen=True)
class ExecutableRun:
    """Runs the executable of a declaration. Called like any task type's function.

    Parameters
    ----------
    declaration
        What to run.
    folder
        Where the declaration lies; words of the command that begin with ``./`` are beside it.
    """

    declaration: ExecutableDeclaration
    folder: Path

    def __call__(self, context: TaskContext, settings: SchemaSettings) -> Metadata:
        """Run with the settings of a task."""
        return self.run(context, settings.values)

    def run(self, context: TaskContext, settings: dict[str, Any]) -> Metadata:
        """Lay out the files, run the executable, and take over what it made.

        Raises
        ------
        ProgramError
            It could not be started, or did not end well.
        OutputError
            Its `result.json` is wrong.
        """
        if problem := self.find_missing():
            raise ProgramError(FailureReason.INFRASTRUCTURE, problem)
        task = lay_out(context, self.declaration, settings)
        ending = run_program(self.command(), directory=context.directory, environment=self.environment(context, task))
        result = find_result(context.directory, lenient=ending.status != 0)
        if (error := explain_exit(ending.status, result, ending.last_words)) is not None:
            raise error
        take_outputs(context, {slot: file["path"] for slot, file in task["outputs"].items()}, result)
        return result.metadata

    def command(self) -> list[str]:
        """Make the command: what begins with ``./`` is beside the declaration."""
        return [str(self.folder / word) if word.startswith("./") else word for word in self.declaration.command]

    def find_missing(self) -> str:
        """Say what is not there, or cannot be executed; nothing if all is well."""
        program, *rest = self.command()
        if shutil.which(program) is None:
            return f"{program}: there is no such executable"
        given = self.declaration.command[1:]
        missing = [
            word for word, mark in zip(rest, given, strict=True) if mark.startswith("./") and not Path(word).exists()
        ]
        return f"{missing[0]}: there is no such file" if missing else ""

    def environment(self, context: TaskContext, task: dict[str, Any]) -> dict[str, str]:
        """Make the program's environment."""
        declared = self.declaration
        environment = clean_environment(
            context.directory, cpus=context.cpus, passed=declared.pass_environment, added=declared.environment
        )
        environment |= describe_in_variables(task)
        environment |= {
            "EAS_TASK_TYPE": declared.name,
            "EAS_TASK_TYPE_VERSION": declared.version,
            "EAS_SEED": str(context.seed),
            "EAS_CPUS": str(context.cpus),
            "EAS_DIRECTORY": str(context.directory),
        }
        if context.input_directory is not None:
            environment["EAS_INPUT_DIRECTORY"] = str(context.input_directory)
        return environment


def lay_out(context: TaskContext, declaration: ExecutableDeclaration, settings: dict[str, Any]) -> dict[str, Any]:
    """Write `task.json`, link the inputs, make the folder of the outputs. Returns what is in `task.json`."""
    directory = context.directory
    (directory / "inputs").mkdir(mode=0o700, exist_ok=True)
    (directory / "outputs").mkdir(mode=0o700, exist_ok=True)
    inputs = {}
    for slot, file in context.inputs.items():
        path = f"inputs/{slot}{_suffix(file.path.name)}"
        (directory / path).symlink_to(os.path.relpath(directory / file.path, directory / "inputs"))
        inputs[slot] = {"path": path, "metadata": file.metadata}
    outputs = {slot: f"outputs/{slot}{_suffix(name)}" for slot, name in context.output_names.items()}
    task = {
        "task_type": declaration.name,
        "version": declaration.version,
        "settings": settings,
        "metadata": context.metadata,
        "seed": context.seed,
        "cpus": context.cpus,
        "inputs": inputs,
        "outputs": {slot: {"path": path, "filename": context.output_names[slot]} for slot, path in outputs.items()},
    }
    (directory / TASK_FILE).write_text(json.dumps(task, indent=2) + "\n", "utf-8")
    return task


def describe_in_variables(task: dict[str, Any]) -> dict[str, str]:
    """Say in variables, for programs that read no JSON, where files are and what the plain settings are."""
    variables: dict[str, str] = {}
    for group, kind in (("inputs", "INPUT"), ("outputs", "OUTPUT")):
        variables |= {f"EAS_{kind}_{_shout(slot)}": file["path"] for slot, file in task[group].items()}
    for name, value in task["settings"].items():
        text = value if isinstance(value, str) else _write_plain(value)
        if not isinstance(value, dict | list) and len(text) < LONGEST_VARIABLE and "\0" not in text:
            variables[f"EAS_SETTING_{_shout(name)}"] = "" if value is None else text
    return variables


def _write_plain(value: Any) -> str:
    """Write a value as JSON; a whole number without a point, which a shell would not take for a number."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        value = int(value)
    return json.dumps(value)


def find_result(directory: Path, *, lenient: bool = False) -> Result:
    """Read the `result.json` of a working directory; nothing is a result, too.

    Parameters
    ----------
    directory
        Where to look.
    lenient
        Whether to pass over one that is wrong: the program has failed anyhow.

    Raises
    ------
    OutputError
        It is wrong or too long.
    """
    path = directory / RESULT_FILE
    try:
        if not path.is_file():
            return Result()
        if path.stat().st_size > LONGEST_RESULT:
            raise OutputError(f"{RESULT_FILE} is longer than {LONGEST_RESULT // 1024 // 1024} MB")
        return read_result(path.read_bytes())
    except OutputError as error:
        if not lenient:
            raise
        logger.warning("%s", error)
        return Result()


def take_outputs(context: TaskContext, paths: dict[str, str], result: Result) -> None:
    """Hand over the files that a program wrote: those that the job declared, and those that it named itself."""
    for slot, path in paths.items():
        said = result.outputs.get(slot, ResultOutput())
        place = context.directory / (said.path or path)
        if said.path is not None or place.exists():
            context.add_output(slot, place, metadata=said.metadata, mime_type=said.mime_type)
    for slot, said in result.outputs.items():
        if slot in paths:
            continue
        if said.filename is None or said.path is None:
            raise OutputError(
                f"{RESULT_FILE}: outputs.{slot}: the job declares no such output; "
                "a product of its own needs path and filename"
            )
        context.add_product(
            slot,
            context.directory / said.path,
            filename=said.filename,
            metadata=said.metadata,
            mime_type=said.mime_type,
        )


def check_result(context: TaskContext, _metadata: Metadata) -> Sequence[Verdict]:
    """Quality control: what the program says of its own outputs."""
    result = find_result(context.directory)
    verdicts = [Verdict(passed=said.passed, reason=said.reason, slot=slot) for slot, said in result.outputs.items()]
    if not result.passed:
        verdicts.append(Verdict(passed=False, reason=result.reason))
    return verdicts


def _make_example(declared: ExampleDeclaration | None, folder: Path) -> Example | None:
    if declared is None:
        return None
    inputs = {slot: functools.partial(_copy_file, folder / name) for slot, name in declared.inputs.items()}
    return Example(declared.settings, inputs, declared.outputs)


def _copy_file(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def _shout(name: str) -> str:
    """Spell a name as variables are spelt."""
    return re.sub(r"[^A-Z0-9_]", "_", name.upper())


def _suffix(name: str) -> str:
    """All suffixes of a file's name, 16 characters at most."""
    return "".join(Path(name).suffixes)[-16:]
