"""How authors declare task types and quality checks: a decorator on a function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, get_type_hints

from eas.authoring.quality import Findings, QualityCheck
from eas.authoring.task_type import (
    CheckFunction,
    Estimate,
    Example,
    RunFunction,
    Slot,
    TaskContext,
    TaskSettings,
    TaskType,
    Verdict,
)
from eas.contracts.metadata import Metadata

TaskFunction = Callable[..., Metadata | None]


class DeclarationError(TypeError):
    """A function cannot be made a task type or a quality check as it was asked for."""


def task_type(
    *,
    version: str,
    name: str | None = None,
    settings: type[TaskSettings] | None = None,
    inputs: Iterable[str | Slot] = (),
    outputs: Iterable[str | Slot] = (),
    check: CheckFunction | None = None,
    open_outputs: bool = False,
    uses_seed: bool = True,
    example: Example | None = None,
    estimates: Iterable[Estimate] = (),
) -> Callable[[TaskFunction], TaskType]:
    """Make a function a task type: ``@task_type(version="1", inputs=["lightcurve"], outputs=["lightcurve"])``.

    The function gets the context and, if it has a second parameter, the settings; it returns the output metadata, or
    nothing. It becomes the `run` of the task type that stands in its place.

    Parameters
    ----------
    version
        Changes when the same settings and inputs would give other outputs.
    name
        As jobs spell it; the function's name where it is left out.
    settings
        The model of the settings; the annotation of the second parameter where it is left out.
    inputs, outputs
        The slots, by name where they are required and files of any kind.
    check, open_outputs, uses_seed, example, estimates
        See `TaskType`.

    Raises
    ------
    DeclarationError
        The function has other parameters, or its settings have no model.
    """

    def declare(function: TaskFunction) -> TaskType:
        model = _find_settings(function, settings)
        return TaskType(
            name=name or function.__name__,
            version=version,
            run=_wrap(function, takes_settings=model is not None),
            settings=model or TaskSettings,
            inputs=_make_slots(inputs),
            outputs=_make_slots(outputs),
            check=check,
            open_outputs=open_outputs,
            uses_seed=uses_seed,
            example=example,
            estimates=tuple(estimates),
        )

    return declare


def quality_check(*task_types: str) -> Callable[[Callable[[TaskContext, Metadata], Findings]], QualityCheck]:
    """Make a function judge the attempts of these task types, or of all: ``@quality_check("detrend")``.

    The function gets the context, whose `outputs` are what the task made, and the output metadata. It returns a
    verdict, several, or None where all is well; it runs after the task type's own check, and only if that said yes. Its
    name is the author of its verdicts.
    """
    if task_types and not all(isinstance(name, str) for name in task_types):
        raise DeclarationError("quality_check needs parentheses and the names of task types: @quality_check('detrend')")

    def declare(function: Callable[[TaskContext, Metadata], Findings]) -> QualityCheck:
        return QualityCheck(function.__name__, function, frozenset(task_types))

    return declare


def accept(reason: str = "", *, slot: str | None = None) -> Verdict:
    """Say yes to an output, or to the attempt."""
    return Verdict(passed=True, reason=reason, slot=slot)


def reject(reason: str, *, slot: str | None = None) -> Verdict:
    """Say no to an output, or to the attempt and all its outputs."""
    return Verdict(passed=False, reason=reason, slot=slot)


def _make_slots(slots: Iterable[str | Slot]) -> tuple[Slot, ...]:
    if isinstance(slots, str):
        raise DeclarationError(f"slots are a list of names, not the text {slots!r}")
    return tuple(Slot(slot) if isinstance(slot, str) else slot for slot in slots)


def _find_settings(function: TaskFunction, given: type[TaskSettings] | None) -> type[TaskSettings] | None:
    """Find the settings of a function; None where it takes the context alone."""
    name = function.__name__
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) not in (1, 2):
        raise DeclarationError(f"{name} has {len(parameters)} parameters; expected (context) or (context, settings)")
    if len(parameters) == 1:
        if given is not None:
            raise DeclarationError(f"{name} takes no settings: a second parameter is missing")
        return None
    if given is not None:
        return given
    try:
        found: Any = get_type_hints(function).get(parameters[1].name)
    except NameError as error:
        raise DeclarationError(f"{name}: {error}; name the model of its settings with settings=") from error
    if not (isinstance(found, type) and issubclass(found, TaskSettings)):
        raise DeclarationError(
            f"{name}: parameter {parameters[1].name!r} must be annotated with a class derived from TaskSettings"
        )
    return found


def _wrap(function: TaskFunction, *, takes_settings: bool) -> RunFunction:
    """Give a function the one form that all task types have."""

    @functools.wraps(function)
    def run(context: TaskContext, settings: TaskSettings) -> Metadata:
        return (function(context, settings) if takes_settings else function(context)) or {}

    return run
