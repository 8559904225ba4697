"""Finding task types: entry points of installed distributions, and modules named in the settings."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points

from services.worker.domain.task_type import Slot, TaskType
from shared.contracts.scheduler import SlotDescription, TaskTypeDescription

logger = logging.getLogger(__name__)

GROUP = "eas.task_types"


class TaskTypeError(Exception):
    """A task type cannot be used; the message says which and why."""


class InstalledTaskTypes:
    """The task types that this Python can run, imported when they are first asked for.

    Parameters
    ----------
    sources
        Name to entry point.
    """

    def __init__(self, sources: Mapping[str, EntryPoint]) -> None:
        self._sources = dict(sources)
        self._loaded: dict[str, TaskType] = {}

    @classmethod
    def discover(cls, extra: Iterable[str] = (), only: Iterable[str] = ()) -> InstalledTaskTypes:
        """Find all entry points, and those named as ``name=module:attribute``.

        Parameters
        ----------
        extra
            Task types that no distribution announces.
        only
            Names to keep; all where there are none.

        Raises
        ------
        TaskTypeError
            An extra one is not of that form.
        """
        found = {point.name: point for point in entry_points(group=GROUP)}
        for reference in extra:
            name, _, value = reference.partition("=")
            if not name or ":" not in value:
                raise TaskTypeError(f"task type {reference!r}: expected name=module:attribute")
            found[name.strip()] = EntryPoint(name.strip(), value.strip(), GROUP)
        kept = set(only)
        if unknown := kept - found.keys():
            raise TaskTypeError(f"no such task type: {', '.join(sorted(unknown))}; there are {', '.join(found)}")
        return cls({name: point for name, point in found.items() if not kept or name in kept})

    def find(self, name: str) -> TaskType | None:
        """Find a task type that can be run here."""
        if (loaded := self._loaded.get(name)) is not None:
            return loaded
        if name not in self._sources:
            return None
        return self._load(name)

    def load_all(self) -> tuple[list[TaskType], list[str]]:
        """Import everything. Returns what can be run, and in words what cannot; the latter is left out from now on."""
        good, problems = [], []
        for name in sorted(self._sources):
            try:
                good.append(self._load(name))
            except TaskTypeError as problem:
                problems.append(str(problem))
                del self._sources[name]
        return good, problems

    def _load(self, name: str) -> TaskType:
        point = self._sources[name]
        try:
            found = point.load()
        except Exception as error:  # an import runs foreign code: it may raise anything
            raise TaskTypeError(f"task type {name!r} ({point.value}): {type(error).__name__}: {error}") from error
        if not isinstance(found, TaskType):
            raise TaskTypeError(f"task type {name!r}: {point.value} is a {type(found).__name__}, not a TaskType")
        if found.name != name:
            raise TaskTypeError(f"task type {name!r}: {point.value} calls itself {found.name!r}")
        self._loaded[name] = found
        return found


def describe_task_type(task_type: TaskType) -> TaskTypeDescription:
    """Say of a task type what the scheduler needs to know to check a job."""
    return TaskTypeDescription(
        name=task_type.name,
        version=task_type.version,
        settings_schema=task_type.settings.model_json_schema(),
        inputs=[_describe_slot(slot) for slot in task_type.inputs],
        outputs=[_describe_slot(slot) for slot in task_type.outputs],
        open_outputs=task_type.open_outputs,
        uses_seed=task_type.uses_seed,
    )


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
