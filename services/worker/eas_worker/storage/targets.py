"""What a user means by the name of something to inspect: a file, a folder, a module, or an installed task type."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

from eas.authoring.quality import QualityCheck
from eas.authoring.task_type import TaskType
from eas_worker.storage.task_type_files import (
    BrokenCheckError,
    Declarations,
    TaskTypeError,
    describe_error,
    find_declarations,
    list_files,
    load_file,
)
from eas_worker.storage.task_types import GROUP, InstalledTaskTypes

NOTHING = Declarations()


@dataclass(frozen=True)
class Target:
    """Something that was found, or in words why not.

    Parameters
    ----------
    source
        Where it comes from.
    found
        What is declared there.
    problem
        Why nothing can be.
    stops_workers
        Whether it may hold quality checks, so that a worker that has it must not accept anything.
    """

    source: str
    found: Declarations = NOTHING
    problem: str = ""
    stops_workers: bool = False


def find_targets(name: str) -> Iterator[Target]:
    """Find what a name means: a path, else ``module:attribute``, else an installed task type, else a module."""
    path = Path(name)
    if path.is_dir():
        files = list_files(path)
        if not files:
            yield Target(name, problem="there is no file *.py in this folder")
        for file in files:
            yield _load(str(file), file)
    elif path.suffix == ".py" or path.exists():
        yield _load(name, path)
    else:
        yield _import(name)


def _load(source: str, path: Path) -> Target:
    try:
        return Target(source, load_file(path))
    except BrokenCheckError as problem:
        words = str(problem).removeprefix(f"{path}: ")
        return Target(
            source, problem=f"{words}; it may hold quality checks, so workers offer nothing", stops_workers=True
        )
    except TaskTypeError as problem:
        return Target(source, problem=str(problem).removeprefix(f"{path}: "))


def _import(name: str) -> Target:
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        if ":" in name:
            return _take(name, EntryPoint(name, name, GROUP).load())
        installed = InstalledTaskTypes.discover().find(name)
        if installed is not None:
            return Target(name, Declarations((installed,)))
        if not all(part.isidentifier() for part in name.split(".")) or importlib.util.find_spec(name) is None:
            return Target(name, problem="there is no such file, installed task type, or module")
        found = find_declarations(importlib.import_module(name))
        problem = "" if found.task_types or found.checks else "the module declares no task type and no quality check"
        return Target(name, found, problem)
    except TaskTypeError as error:
        return Target(name, problem=str(error))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # an import runs foreign code: it may raise anything
        return Target(name, problem=describe_error(error))


def _take(name: str, value: object) -> Target:
    match value:
        case TaskType():
            return Target(name, Declarations((value,)))
        case QualityCheck():
            return Target(name, Declarations(checks=(value,)))
    return Target(name, problem=f"it is a {type(value).__name__}, neither a task type nor a quality check")
