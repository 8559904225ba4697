"""Task types and quality checks in plain files, of Python or declarations of executables: no installation."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from eas.authoring.quality import QualityCheck
from eas.authoring.task_type import TaskType

#: Names of files that declare an executable; in a folder of its own it needs no name before that.
EXECUTABLE_MARKS = ("task_type.toml", "task_type.json")

#: Text that only files with quality checks have. Such a file must not be left out silently.
CHECK_MARK = b"quality_check"


Found = TypeVar("Found")


class TaskTypeError(Exception):
    """A task type cannot be used; the message says which and why."""


class BrokenCheckError(TaskTypeError):
    """A quality check cannot be used, so that nothing may be accepted."""


@dataclass(frozen=True)
class Declarations:
    """What a file or a module declares, with the names under which it does."""

    task_types: tuple[TaskType, ...] = ()
    checks: tuple[QualityCheck, ...] = ()


def list_files(folder: Path) -> list[Path]:
    """List the files of a folder that may declare something, by name.

    These are ``*.py`` without a leading underscore, and ``*task_type.toml`` and ``*task_type.json``, which declare
    executables and may also lie in a folder of the folder.
    """
    scripts = [path for path in folder.glob("*.py") if path.is_file() and not path.name.startswith("_")]
    declared = [
        path for mark in EXECUTABLE_MARKS for place in (f"*{mark}", f"*/*{mark}") for path in folder.glob(place)
    ]
    return sorted(scripts) + sorted(declared)


def load_file(path: Path) -> Declarations:
    """Run a file as a module of its own, or read the declaration of an executable.

    Files beside a module can be imported by their names.

    Raises
    ------
    TaskTypeError
        It cannot be read or imported, whatever it raises; or it declares nothing. `BrokenCheckError` where it may have
        quality checks.
    """
    if path.suffix in (".toml", ".json"):
        from eas.authoring.executables import ExecutableError, load_executable

        try:
            return Declarations((load_executable(path),))
        except ExecutableError as error:
            raise TaskTypeError(str(error)) from error
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    name = f"task_type_files.{path.stem}"
    content = b""
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # annotations are resolved, and classes pickled, by way of it
    try:
        content = path.read_bytes()
        exec(compile(content, str(path), "exec"), module.__dict__)  # noqa: S102 - the user's own code, on purpose
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # foreign code may raise anything, SystemExit too
        del sys.modules[name]
        kind = BrokenCheckError if CHECK_MARK in content else TaskTypeError
        raise kind(f"{path}: {describe_error(error)}") from error
    found = find_declarations(module)
    if not found.task_types and not found.checks:
        raise TaskTypeError(f"{path}: declares no task type and no quality check; files for others begin with _")
    return found


def find_declarations(module: ModuleType) -> Declarations:
    """Find what a module declares itself; what it has imported from elsewhere does not count."""
    task_types: list[TaskType] = []
    checks: list[QualityCheck] = []
    for attribute, value in vars(module).items():
        if isinstance(value, TaskType) and (value.run.__module__ == module.__name__ or attribute == "TASK_TYPE"):
            task_types.append(value)
        elif isinstance(value, QualityCheck) and value.run.__module__ == module.__name__:
            checks.append(value)
    return Declarations(_once(task_types), _once(checks))


def _once(found: list[Found]) -> tuple[Found, ...]:
    """Leave out what has a second name in its module."""
    return tuple({id(item): item for item in found}.values())


def describe_error(error: BaseException) -> str:
    """Say in one line what an import raised, and for a mistake in the syntax also where."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f"line {error.lineno}: {type(error).__name__}: {error.msg}"
    return f"{type(error).__name__}: {error}"
