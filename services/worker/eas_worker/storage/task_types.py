"""Finding task types: entry points of installed distributions, modules named in the settings, and a folder of files.

Quality checks are found in the same places. One that cannot be imported must not be left out, or its worker would
accept what it was to reject; such a worker offers nothing and accepts nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from eas.authoring.errors import TaskError
from eas.authoring.quality import QualityCheck
from eas.authoring.task_type import Slot, TaskType
from eas.contracts.scheduler import EstimateDescription, SlotDescription, TaskTypeDescription, find_description_fault
from eas.contracts.states import FailureReason
from eas_worker.storage.task_type_files import (
    BrokenCheckError,
    TaskTypeError,
    describe_error,
    list_files,
    load_file,
)

logger = logging.getLogger(__name__)

GROUP = "eas.task_types"
CHECK_GROUP = "eas.quality_checks"


class UnusableCheckError(TaskError):
    """A quality check of this worker cannot be used, so it cannot accept anything."""

    reason = FailureReason.INFRASTRUCTURE


class InstalledTaskTypes:
    """The task types that this Python can run, and their users' quality checks, imported when they are first asked for.

    Parameters
    ----------
    sources
        Name to entry point.
    checks
        Entry points of quality checks.
    folder
        Files with further ones of both.
    only
        Names to keep; all where there are none.
    """

    def __init__(
        self,
        sources: Mapping[str, EntryPoint],
        checks: Iterable[EntryPoint] = (),
        folder: Path | None = None,
        only: Iterable[str] = (),
    ) -> None:
        self._sources = dict(sources)
        self._check_points = tuple(checks)
        self._folder = folder
        self._only = frozenset(only)
        self._loaded: dict[str, TaskType] = {}
        self._from_files: dict[str, TaskType] | None = None
        self._file_problems: list[str] = []
        self._checks: list[QualityCheck] = []
        self._broken_checks: list[str] = []
        self._checks_are_loaded = False
        self._checks_of: dict[str, tuple[QualityCheck, ...]] = {}

    @classmethod
    def discover(
        cls, extra: Iterable[str] = (), only: Iterable[str] = (), folder: Path | None = None
    ) -> InstalledTaskTypes:
        """Find all entry points, and those named as ``name=module:attribute``.

        Parameters
        ----------
        extra
            Task types that no distribution announces.
        only
            Names to keep; all where there are none.
        folder
            Folder of files, or one file; they are read when they are needed.

        Raises
        ------
        TaskTypeError
            An extra one is not of that form, or one to keep is not there.
        """
        found = {point.name: point for point in entry_points(group=GROUP)}
        for reference in extra:
            name, _, value = reference.partition("=")
            if not name or ":" not in value:
                raise TaskTypeError(f"task type {reference!r}: expected name=module:attribute")
            found[name.strip()] = EntryPoint(name.strip(), value.strip(), GROUP)
        kept = set(only)
        if folder is None and (unknown := kept - found.keys()):
            raise TaskTypeError(f"no such task type: {', '.join(sorted(unknown))}; there are {', '.join(found)}")
        sources = {name: point for name, point in found.items() if not kept or name in kept}
        return cls(sources, entry_points(group=CHECK_GROUP), folder, kept)

    def find(self, name: str) -> TaskType | None:
        """Find a task type that can be run here."""
        if (loaded := self._loaded.get(name)) is not None:
            return loaded
        if name in self._sources:
            return self._load(name)
        return self._read_folder().get(name)

    def names(self) -> list[str]:
        """List the names of all task types, without importing those that are installed."""
        return sorted({*self._sources, *self._read_folder()})

    def find_rival(self, name: str, source: str) -> str | None:
        """Find who has announced a task type of this name, unless that is the source itself: a file, module or name."""
        point = self._sources.get(name)
        if point is None or source in (name, point.module, point.value):
            return None
        file = _find_module_file(point.module)
        return None if file is not None and Path(source).resolve() == file else point.value

    def checks_of(self, name: str) -> Sequence[QualityCheck]:
        """Find the checks that users have added for a task type.

        Raises
        ------
        UnusableCheckError
            One of this worker's checks cannot be used, be it for this task type or for another.
        """
        if (found := self._checks_of.get(name)) is not None:
            return found
        self._load_checks()
        if self._broken_checks:
            raise UnusableCheckError("; ".join(self._broken_checks))
        self._checks_of[name] = tuple(check for check in self._checks if check.concerns(name))
        return self._checks_of[name]

    def load_all(self) -> tuple[list[TaskType], list[str]]:
        """Import everything. Returns what can be run, and in words what cannot; the latter is left out from now on."""
        good, problems = [], []
        for name in sorted(self._sources):
            try:
                good.append(self._load(name))
            except TaskTypeError as problem:
                problems.append(str(problem))
                del self._sources[name]
        good += self._read_folder().values()
        problems += self._file_problems
        problems += [
            f"task type {name!r}: there is none of that name"
            for name in sorted(self._only - {task_type.name for task_type in good})
            if self._folder is not None and not any(repr(name) in problem for problem in problems)
        ]
        self._load_checks()
        if self._broken_checks:
            return [], [*problems, *(f"all task types: {problem}" for problem in self._broken_checks)]
        return good, problems

    def _load(self, name: str) -> TaskType:
        found = _import_point(self._sources[name], f"task type {name!r}")
        if not isinstance(found, TaskType):
            value = self._sources[name].value
            raise TaskTypeError(f"task type {name!r}: {value} is a {type(found).__name__}, not a TaskType")
        if found.name != name:
            raise TaskTypeError(f"task type {name!r}: {self._sources[name].value} calls itself {found.name!r}")
        self._loaded[name] = found
        return found

    def _read_folder(self) -> Mapping[str, TaskType]:
        """Read the files, once. What is wrong with them is kept for `load_all`."""
        if self._from_files is not None:
            return self._from_files
        self._from_files = {}
        for path in _list(self._folder):
            try:
                found = load_file(path)
            except BrokenCheckError as problem:
                self._broken_checks.append(f"a quality check cannot be used: {problem}")
                continue
            except TaskTypeError as problem:
                self._file_problems.append(str(problem))
                continue
            self._checks += found.checks
            for task_type in found.task_types:
                self._take_from_file(task_type, path, self._from_files)
        return self._from_files

    def _take_from_file(self, task_type: TaskType, path: Path, taken: dict[str, TaskType]) -> None:
        if task_type.name in self._sources or task_type.name in taken:
            self._file_problems.append(f"{path}: there is a task type {task_type.name!r} already")
        elif not self._only or task_type.name in self._only:
            taken[task_type.name] = task_type

    def _load_checks(self) -> None:
        if self._checks_are_loaded:
            return
        self._checks_are_loaded = True
        self._read_folder()
        for point in self._check_points:
            try:
                found = _import_point(point, f"quality check {point.name!r}")
            except TaskTypeError as problem:
                self._broken_checks.append(str(problem))
                continue
            if isinstance(found, QualityCheck):
                self._checks.append(found)
            else:
                kind = type(found).__name__
                self._broken_checks.append(f"quality check {point.name!r}: {point.value} is a {kind}")


def _find_module_file(module: str) -> Path | None:
    """Find the file of a module without importing it; None where there is none."""
    try:
        found = importlib.util.find_spec(module)
    except ImportError:
        return None
    return Path(found.origin).resolve() if found is not None and found.origin else None


def _list(place: Path | None) -> list[Path]:
    if place is None:
        return []
    return [place] if place.is_file() else list_files(place)


def _import_point(point: EntryPoint, what: str) -> object:
    try:
        return point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # an import runs foreign code: it may raise anything
        raise TaskTypeError(f"{what} ({point.value}): {describe_error(error)}") from error


def describe_task_type(task_type: TaskType) -> TaskTypeDescription:
    """Say of a task type what the scheduler needs to know to check a job.

    Raises
    ------
    TaskTypeError
        It cannot be said, or the scheduler would refuse it.
    """
    try:
        description = TaskTypeDescription(
            name=task_type.name,
            version=task_type.version,
            settings_schema=task_type.settings.model_json_schema(),
            inputs=[_describe_slot(slot) for slot in task_type.inputs],
            outputs=[_describe_slot(slot) for slot in task_type.outputs],
            open_outputs=task_type.open_outputs,
            uses_seed=task_type.uses_seed,
            estimates=[EstimateDescription.model_validate(vars(estimate)) for estimate in task_type.estimates],
        )
    except Exception as error:  # settings are foreign code, and names may be anything
        raise TaskTypeError(f"task type {task_type.name!r}: it cannot be described: {describe_error(error)}") from error
    if (fault := find_description_fault(description)) is not None:
        raise TaskTypeError(fault)
    return description


def describe_task_types(task_types: Iterable[TaskType]) -> tuple[list[TaskTypeDescription], list[str]]:
    """Describe task types. Returns the descriptions, and in words which are left out, and why."""
    descriptions, problems = [], []
    for task_type in task_types:
        try:
            descriptions.append(describe_task_type(task_type))
        except TaskTypeError as problem:
            problems.append(str(problem))
    return descriptions, problems


def preload(modules: Iterable[str]) -> list[str]:
    """Import modules, so that forked children find them done. Returns in words what could not be imported."""
    problems = []
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:  # an import runs foreign code: it may raise anything
            problems.append(f"module {module!r}: {type(error).__name__}: {error}")
    return problems


def _describe_slot(slot: Slot) -> SlotDescription:
    return SlotDescription(name=slot.name, required=slot.required, mime_type=slot.mime_type)
