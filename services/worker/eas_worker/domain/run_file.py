"""A task that runs by itself: what its file says, and whether that fits the task type.

Section ``task`` holds the keys ``task``, ``working_directory``, ``job_name``, ``task_name``, ``seed`` and settings;
``inputs`` and ``outputs`` map slots to paths; ``execution`` has limits, by the names of a job's rules; any other
section is a setting that is an object.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from pydantic import ValidationError

from eas.authoring.errors import TaskError
from eas.authoring.task_type import Slot, TaskType
from eas.contracts.authoring import SingleTaskLimits
from eas.contracts.coercion import coerce
from eas.contracts.states import FailureReason

OWN_SECTIONS = frozenset({"task", "inputs", "outputs", "execution"})
OWN_KEYS = frozenset({"task", "working_directory", "job_name", "task_name", "seed"})


class RunFileError(TaskError):
    """The file of a task that is to run by itself is wrong; the message names file, section and key."""

    reason = FailureReason.INPUT


@dataclass(frozen=True)
class RunFile:
    """What the file says.

    Parameters
    ----------
    source
        The file, for messages.
    task_type
        Name of the task type.
    settings
        As in the file; of an INI file all values are text.
    inputs, outputs
        Slot to path.
    directory
        Relative outputs lie there.
    is_text
        Whether values have no types, as in INI files.
    limits
        What the task may use.
    """

    source: str
    task_type: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    directory: str = "."
    job_name: str = "test_job"
    task_name: str = "untitled_test"
    seed: int = 0
    is_text: bool = False
    limits: SingleTaskLimits = field(default_factory=SingleTaskLimits)


def read_run_file(document: Mapping[str, Any], source: str, *, is_text: bool) -> RunFile:
    """Take a file's sections apart.

    Raises
    ------
    RunFileError
        A section or key is missing, or is not what it has to be.
    """
    sections: dict[str, Mapping[str, Any]] = {}
    for name, content in document.items():
        if not isinstance(content, Mapping):
            raise RunFileError(
                f"{source}: {name} = {content!r} stands outside of any section; expected [task] before it"
            )
        sections[name] = content
    if "task" not in sections:
        raise RunFileError(f"{source}: there is no section [task]; there is {_list(sections)}")
    task = sections["task"]
    if "task" not in task:
        raise RunFileError(f"{source}: [task] has no key 'task', the name of a task type")
    settings = {key: value for key, value in task.items() if key not in OWN_KEYS}
    for name, content in sections.items():
        if name in settings:
            raise RunFileError(f"{source}: the setting {name!r} stands in [task] and is a section, too")
        if name not in OWN_SECTIONS:
            settings[name] = dict(content)
    words = {key: _read_word(task, key, source) for key in OWN_KEYS & task.keys() - {"seed"}}
    directory = words.pop("working_directory", ".")
    return RunFile(
        source=source,
        task_type=words.pop("task"),
        settings=settings,
        inputs=_read_paths(sections.get("inputs", {}), "inputs", source),
        outputs=_read_paths(sections.get("outputs", {}), "outputs", source),
        directory=directory,
        seed=_read_seed(task.get("seed", 0), source),
        is_text=is_text,
        limits=_read_limits(sections.get("execution", {}), source, is_text=is_text),
        **words,
    )


def fit_slots(file: RunFile, task_type: TaskType) -> None:
    """Compare the inputs and outputs of a file with the slots of its task type. Raises `RunFileError`."""
    for section, given, slots in (
        ("inputs", file.inputs, task_type.inputs),
        ("outputs", file.outputs, task_type.outputs),
    ):
        _fit(f"{file.source}: [{section}]", given, slots, task_type.name)
        names = [PurePosixPath(path).name for path in given.values()]
        for slot, name in zip(given, names, strict=True):
            if name in ("", ".."):
                raise RunFileError(f"{file.source}: [{section}] {slot}: {given[slot]!r} is not the path of a file")
            if section == "outputs" and names.count(name) > 1:
                raise RunFileError(f"{file.source}: [{section}] {slot}: another output has the filename {name!r}, too")


def read_settings(file: RunFile, task_type: TaskType) -> dict[str, Any]:
    """Check a file's settings, and give them the types that the task type means, as a scheduler does.

    Raises
    ------
    RunFileError
        They do not fit the task type; each problem has a line.
    """
    schema = task_type.settings.model_json_schema()
    settings = coerce(schema, _copy(file.settings))
    for _ in range(8 if file.is_text else 1):  # each round converts all that the one before found wrong
        try:
            task_type.settings.model_validate(settings)
        except ValidationError as error:
            places = [found["loc"] for found in error.errors(include_url=False)]
            converted = [_convert(settings, place) for place in places] if file.is_text else []
            if not any(converted):
                raise RunFileError(_describe(error, file)) from error
        else:
            break
    return dict(coerce(schema, settings))


def read_plain_value(text: str) -> Any:
    """Read a number, a boolean, null, or a JSON list or object; anything else is text."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        lowered = text.lower()
        return lowered == "true" if lowered in ("true", "false") else text


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _read_word(task: Mapping[str, Any], key: str, source: str) -> str:
    value = task[key]
    if not isinstance(value, str) or not value:
        raise RunFileError(f"{source}: [task] {key}: {value!r} given, text expected")
    return value


def _read_seed(value: Any, source: str) -> int:
    found = read_plain_value(value) if isinstance(value, str) else value
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise RunFileError(f"{source}: [task] seed: {value!r} given, an integer from 0 expected")
    return found


def _read_limits(section: Mapping[str, Any], source: str, *, is_text: bool) -> SingleTaskLimits:
    known = SingleTaskLimits.model_fields
    for name in section:
        if name not in known:
            raise RunFileError(f"{source}: [execution] {name}: there is no such limit; there are {_list(known)}")
    given = {name: read_plain_value(value) if is_text else value for name, value in section.items()}
    try:
        return SingleTaskLimits.model_validate(given)
    except ValidationError as error:
        lines = [
            f"{source}: [execution] {found['loc'][0]}: {found['msg']} (given: {found['input']!r:.200})"
            for found in error.errors(include_url=False)
        ]
        raise RunFileError("\n".join(lines)) from error


def _read_paths(section: Mapping[str, Any], name: str, source: str) -> dict[str, str]:
    for slot, path in section.items():
        if not isinstance(path, str) or not path:
            raise RunFileError(f"{source}: [{name}] {slot}: {path!r} given, a path expected")
    return dict(section)


def _fit(where: str, given: Iterable[str], slots: Iterable[Slot], task_type: str) -> None:
    known = {slot.name: slot for slot in slots}
    for name in given:
        if name not in known:
            raise RunFileError(f"{where} {name}: {task_type} has no such slot; it has {_list(known)}")
    if missing := [slot.name for slot in known.values() if slot.required and slot.name not in given]:
        raise RunFileError(f"{where}: {task_type} needs {_list(missing)}")


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _copy(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, Mapping) else value for key, value in settings.items()}


def _convert(settings: dict[str, Any], place: tuple[int | str, ...]) -> bool:
    """Read the text at a place as JSON; tell whether there was any such text."""
    holder: Any = settings
    for key in place:
        if not isinstance(holder, dict) or key not in holder:
            return False
        if isinstance(holder[key], str):
            found = read_plain_value(holder[key])
            if found == holder[key]:
                return False
            holder[key] = found
            return True
        holder = holder[key]
    return False


def _describe(error: ValidationError, file: RunFile) -> str:
    lines = []
    for found in error.errors(include_url=False):
        first, *rest = [str(part) for part in found["loc"]] or ["settings"]
        is_section = isinstance(file.settings.get(first), Mapping)
        place = f"[{first}] {'.'.join(rest)}".rstrip() if is_section else f"[task] {'.'.join([first, *rest])}"
        given = "" if found["type"] == "missing" else f" (given: {found['input']!r:.200})"
        lines.append(f"{file.source}: {place}: {found['msg']}{given}")
    return "\n".join(lines)
