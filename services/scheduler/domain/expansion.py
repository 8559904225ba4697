"""Flow control: turns a job document, or the part of it below one flow-control task, into a plan of tasks.

A plan is complete or there is none: whatever is wrong anywhere in it is gathered with its place. Tasks inside a loop or
chain that has to wait for another task's metadata are not planned yet; that happens when it becomes ready.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.scheduler.domain.expressions import Scope, UnknownMetadataError, evaluate
from services.scheduler.domain.job_document import (
    CHAIN,
    COMMON_KEYS,
    FLOW_TYPES,
    FOR_LOOP,
    LAZY_KEYS,
    MAX_NAME_LENGTH,
    ProblemList,
    json_path,
)
from services.scheduler.domain.task_settings import (
    Pointer,
    TaskTypeSpecification,
    check_settings,
    evaluate_settings,
)
from shared.contracts.errors import InvalidExpressionError, UnsafePathError
from shared.contracts.metadata import Metadata, find_non_finite
from shared.contracts.paths import check_directory, check_filename

MAX_TASKS = 2_000_000


@dataclass(slots=True)
class PlannedTask:
    """A task that will exist if the plan is carried out. Numbers refer to places in `Plan.tasks`.

    `parent` is None for children of the task that the plan expands. `sources` has the number of the task that each
    input or requested name depends on; an input that is made outside the plan has None.
    """

    parent: int | None
    position: int
    level: int
    pointer: Pointer
    task_type: str
    name: str | None
    job_name: str | None
    working_directory: str
    metadata: Metadata
    seed: int
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    input_sources: dict[str, int | None] = field(default_factory=dict)
    requires: dict[str, int] = field(default_factory=dict)
    children: int = 0
    expanded: bool = False

    @property
    def is_flow(self) -> bool:
        """Whether the scheduler runs it itself."""
        return self.task_type in FLOW_TYPES


@dataclass(frozen=True, slots=True)
class ExternalInput:
    """An input that no task of the plan makes: it must be a product already."""

    task: int
    slot: str
    directory: str
    filename: str
    pointer: Pointer


@dataclass
class Plan:
    """The tasks that one expansion makes, in the order of the document, and what must be true for it to be valid."""

    tasks: list[PlannedTask] = field(default_factory=list)
    products: dict[tuple[str, str], tuple[int, str, Pointer]] = field(default_factory=dict)
    external_inputs: list[ExternalInput] = field(default_factory=list)
    children: int = 0


@dataclass(frozen=True)
class FlowTask:
    """The flow-control task that is to be expanded."""

    task_type: str
    description: Mapping[str, Any]
    pointer: Pointer
    level: int
    job_name: str | None
    working_directory: str
    metadata: Metadata
    seed: int
    requested_metadata: Mapping[str, Metadata] = field(default_factory=dict)


def derive_seed(seed: int, position: int) -> int:
    """Derive a child's seed from its parent's, so that the same document and seed always draw the same numbers."""
    digest = hashlib.blake2b(f"{seed}/{position}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big")


def describe_root(document: Mapping[str, Any], seed: int, problems: ProblemList) -> FlowTask:
    """Describe the chain that a whole job document is. Its name and directory may be expressions, too."""
    reader = _Expander({}, problems)
    scope = Scope({}, {}, seed)
    return FlowTask(
        task_type=CHAIN,
        description=document,
        pointer=(),
        level=0,
        job_name=reader.override(document, "job_name", None, scope, ()),
        working_directory=reader.override(document, "working_directory", None, scope, ()) or "",
        metadata={},
        seed=seed,
    )


def expand(flow: FlowTask, task_types: Mapping[str, TaskTypeSpecification], problems: ProblemList) -> Plan:
    """Plan everything that follows from a flow-control task as far as it is known now.

    Parameters
    ----------
    flow
        The task to expand: a whole job's root, or a loop or chain that has become ready.
    task_types
        What workers can run, by name.
    problems
        Gathers all that is wrong. Places that it already names are passed over. If it is not empty afterwards, the
        plan is not to be used.
    """
    expander = _Expander(task_types, problems)
    expander.expand_flow(flow, None, None)
    expander.find_late_producers()
    return expander.plan


class _Expander:
    def __init__(self, task_types: Mapping[str, TaskTypeSpecification], problems: ProblemList) -> None:
        self.plan = Plan()
        self._task_types = task_types
        self._problems = problems
        self._bad_places = bool(problems.problems)

    def expand_flow(self, flow: FlowTask, parent: int | None, planned: PlannedTask | None) -> None:
        """Plan the children of one flow-control task; `planned` is its own entry in the plan, if it has one."""
        if flow.task_type == FOR_LOOP:
            children = self._expand_for_loop(flow, parent)
        else:
            children = self._expand_chain(flow, parent)
        if planned is None:
            self.plan.children = children
        else:
            planned.children = children
            planned.expanded = True

    # --- chains ------------------------------------------------------------------------------------------------

    def _expand_chain(self, flow: FlowTask, parent: int | None) -> int:
        tasks = flow.description.get("task_list") or []
        if not isinstance(tasks, list):
            return 0
        names: dict[str, int] = {}
        count = 0
        for position, task in enumerate(tasks):
            pointer = (*flow.pointer, "task_list", position)
            if not isinstance(task, dict) or self._is_bad(pointer, "task"):
                continue
            self._plan_task(flow, parent, position, task, pointer, names)
            count += 1
        return count

    def _plan_task(
        self,
        chain: FlowTask,
        parent: int | None,
        position: int,
        task: Mapping[str, Any],
        pointer: Pointer,
        names: dict[str, int],
    ) -> None:
        seed = derive_seed(chain.seed, position)
        scope = Scope(chain.metadata, chain.requested_metadata, seed)
        number = len(self.plan.tasks)
        if number >= MAX_TASKS:
            self._problems.add("too_many_tasks", (), f"the job has more than {MAX_TASKS} tasks")
            return
        planned = PlannedTask(
            parent=parent,
            position=position,
            level=chain.level + 1,
            pointer=pointer,
            task_type=self._text(task.get("task"), scope, (*pointer, "task")) or "",
            name=self._text(task.get("name"), scope, (*pointer, "name")) or None,
            job_name=self.override(task, "job_name", chain.job_name, scope, pointer),
            working_directory=self.override(task, "working_directory", chain.working_directory, scope, pointer) or "",
            metadata=chain.metadata,
            seed=seed,
        )
        self.plan.tasks.append(planned)
        self._plan_files(planned, number, task, scope, pointer)
        self._plan_requirements(planned, task, scope, pointer, names)
        if planned.name:
            names[planned.name] = number
        if planned.is_flow:
            if not planned.requires and not planned.inputs and not self._is_bad(pointer, "requires_metadata_from"):
                self.expand_flow(self._flow_of(planned, task), number, planned)
        elif specification := self._task_types.get(planned.task_type):
            self._check_task(planned, specification, task, pointer)
        elif planned.task_type:
            known = ", ".join(sorted({*self._task_types, *FLOW_TYPES}))
            message = f"there is no task type {planned.task_type!r}; there are {known}"
            self._problems.add("unknown_task_type", (*pointer, "task"), message)

    def _flow_of(self, planned: PlannedTask, task: Mapping[str, Any]) -> FlowTask:
        return FlowTask(
            task_type=planned.task_type,
            description=task,
            pointer=planned.pointer,
            level=planned.level,
            job_name=planned.job_name,
            working_directory=planned.working_directory,
            metadata=planned.metadata,
            seed=planned.seed,
        )

    def override(
        self, task: Mapping[str, Any], key: str, inherited: str | None, scope: Scope, pointer: Pointer
    ) -> str | None:
        if task.get(key) is None:
            return inherited
        value = self._text(task[key], scope, (*pointer, key))
        if key == "working_directory" and value:
            self._check_path(value, (*pointer, key), check_directory)
        return value

    # --- files and requested metadata ----------------------------------------------------------------------------

    def _plan_files(
        self, planned: PlannedTask, number: int, task: Mapping[str, Any], scope: Scope, pointer: Pointer
    ) -> None:
        planned.inputs = self._filenames(task, "inputs", scope, pointer)
        planned.outputs = self._filenames(task, "outputs", scope, pointer)
        directory = planned.working_directory
        for slot, filename in planned.inputs.items():
            place = (*pointer, "inputs", slot)
            made = self.plan.products.get((directory, filename))
            planned.input_sources[slot] = None if made is None else made[0]
            if made is None:
                self.plan.external_inputs.append(ExternalInput(number, slot, directory, filename, place))
        for slot, filename in planned.outputs.items():
            place = (*pointer, "outputs", slot)
            made = self.plan.products.setdefault((directory, filename), (number, slot, place))
            if made[0] != number or made[1] != slot:
                other = json_path(made[2])
                again = "in another iteration of its loop" if made[2] == place else f"at {other}"
                message = f"{_product(directory, filename)} is already promised {again}"
                self._problems.add("duplicate_output", place, message)

    def _filenames(self, task: Mapping[str, Any], key: str, scope: Scope, pointer: Pointer) -> dict[str, str]:
        files = task.get(key)
        found: dict[str, str] = {}
        if not isinstance(files, Mapping):
            return found
        for raw_slot, raw_filename in files.items():
            place = (*pointer, key, raw_slot)
            if self._is_bad(place):
                continue
            slot = self._text(raw_slot, scope, place)
            filename = self._text(raw_filename, scope, place)
            if slot is not None and filename is not None and self._check_path(filename, place, check_filename):
                found[slot] = filename
        return found

    def _plan_requirements(
        self, planned: PlannedTask, task: Mapping[str, Any], scope: Scope, pointer: Pointer, names: Mapping[str, int]
    ) -> None:
        required = task.get("requires_metadata_from")
        if not isinstance(required, list):
            return
        for index, entry in enumerate(required):
            place = (*pointer, "requires_metadata_from", index)
            name = self._text(entry, scope, place)
            if name is None:
                continue
            if name in names:
                planned.requires[name] = names[name]
            else:
                known = ", ".join(sorted(names)) or "none"
                message = f"no earlier task of this list has the name {name!r}; there are {known}"
                self._problems.add("unknown_name", place, message)

    def find_late_producers(self) -> None:
        """Report inputs that a later task of the plan makes; what remains external must be a product already."""
        external: list[ExternalInput] = []
        for wanted in self.plan.external_inputs:
            late = self.plan.products.get((wanted.directory, wanted.filename))
            if late is None:
                external.append(wanted)
                continue
            product = _product(wanted.directory, wanted.filename)
            maker = "the task itself makes it" if late[0] == wanted.task else f"it is made at {json_path(late[2])}"
            message = f"{product} is used before it is made: {maker}; a producer comes first in the list"
            self._problems.add("consumer_before_producer", wanted.pointer, message)
        self.plan.external_inputs = external

    # --- tasks that workers run ----------------------------------------------------------------------------------

    def _check_task(
        self, planned: PlannedTask, specification: TaskTypeSpecification, task: Mapping[str, Any], pointer: Pointer
    ) -> None:
        for key, slots, declared in (
            ("inputs", specification.inputs, planned.inputs),
            ("outputs", specification.outputs, planned.outputs),
        ):
            for slot, needed in slots.items():
                if needed and slot not in declared and not self._problems.touches((*pointer, key)):
                    message = f"{specification.name} needs the {key[:-1]} {slot!r}"
                    self._problems.add(f"missing_{key[:-1]}", (*pointer, key, slot), message)
            for slot in declared:
                if slot not in slots:
                    known = ", ".join(sorted(slots)) or "none"
                    message = f"{specification.name} has no {key[:-1]} {slot!r}; it has {known}"
                    self._problems.add(f"unknown_{key[:-1]}", (*pointer, key, slot), message)
        settings = task_settings_of(task)
        scope = Scope(planned.metadata, None if planned.requires else {}, planned.seed)
        evaluated = evaluate_settings(settings, scope)
        for place, message in evaluated.problems:
            self._problems.add("invalid_expression", (*pointer, *place), message)
        if not evaluated.problems:
            for place, problem in check_settings(specification, evaluated):
                self._problems.add(problem.slug, (*pointer, *place), problem.message)

    # --- for loops -----------------------------------------------------------------------------------------------

    def _expand_for_loop(self, flow: FlowTask, parent: int | None) -> int:
        scope = Scope(flow.metadata, flow.requested_metadata, flow.seed)
        parameter = self._text(flow.description.get("parameter"), scope, (*flow.pointer, "parameter"))
        values = self._loop_values(flow, scope)
        if parameter is None or values is None:
            return 0
        for index, value in enumerate(values):
            number = len(self.plan.tasks)
            if number >= MAX_TASKS:
                self._problems.add("too_many_tasks", (), f"the job has more than {MAX_TASKS} tasks")
                return index
            iteration = PlannedTask(
                parent=parent,
                position=index,
                level=flow.level + 1,
                pointer=flow.pointer,
                task_type=CHAIN,
                name=None,
                job_name=flow.job_name,
                working_directory=flow.working_directory,
                metadata={**flow.metadata, parameter: value, f"{parameter}_index": index},
                seed=derive_seed(flow.seed, index),
            )
            self.plan.tasks.append(iteration)
            self.expand_flow(self._flow_of(iteration, flow.description), number, iteration)
        return len(values)

    def _loop_values(self, flow: FlowTask, scope: Scope) -> list[Any] | None:
        key = next((key for key in ("values", "linear_range", "log_range") if key in flow.description), None)
        if key is None:
            return None
        place = (*flow.pointer, key)
        try:
            raw = evaluate(flow.description[key], scope)
            values = [evaluate(value, scope) for value in raw] if isinstance(raw, list) else raw
        except InvalidExpressionError as error:
            self._problems.add(error.slug, place, error.message)
            return None
        except UnknownMetadataError:
            self._problems.add("unknown_metadata", place, "the metadata of other tasks is not known here")
            return None
        if not isinstance(values, list):
            self._problems.add("invalid_type", place, "expected a list of values")
            return None
        if key == "values":
            return self._check_values(values, place)
        return self._spread(key, values, place)

    def _check_values(self, values: list[Any], place: Pointer) -> list[Any] | None:
        for index, value in enumerate(values):
            if not isinstance(value, str | int | float | bool | None) or find_non_finite(value):
                self._problems.add("invalid_value", (*place, index), "expected text, a finite number, true or false")
                return None
        return values

    def _spread(self, key: str, bounds: list[Any], place: Pointer) -> list[Any] | None:
        numbers = all(isinstance(bound, int | float) and not isinstance(bound, bool) for bound in bounds)
        if len(bounds) != 3 or not numbers or find_non_finite(bounds):
            self._problems.add("invalid_value", place, "expected three finite numbers: [start, end, number of values]")
            return None
        start, end, count = float(bounds[0]), float(bounds[1]), bounds[2]
        if count != int(count) or not 0 <= count <= MAX_TASKS:
            message = f"expected a whole number of values from 0 to {MAX_TASKS}, not {count}"
            self._problems.add("invalid_value", (*place, 2), message)
            return None
        if key == "log_range" and (start <= 0 or end <= 0):
            at = (*place, 0 if start <= 0 else 1)
            self._problems.add("invalid_value", at, "the ends of a logarithmic range are above zero")
            return None
        return spread_values(start, end, int(count), logarithmic=key == "log_range")

    # --- evaluation ----------------------------------------------------------------------------------------------

    def _text(self, value: Any, scope: Scope, place: Pointer) -> str | None:
        """Evaluate something that must be text; numbers are written as text. None where it is absent or wrong."""
        if value is None or (self._bad_places and self._problems.touches(place)):
            return None
        try:
            result = evaluate(value, scope)
        except InvalidExpressionError as error:
            self._problems.add(error.slug, place, error.message)
            return None
        except UnknownMetadataError:
            self._problems.add("unknown_metadata", place, "the metadata of other tasks is not known here")
            return None
        if isinstance(result, int | float) and not isinstance(result, bool):
            result = str(result)
        if not isinstance(result, str):
            self._problems.add("invalid_type", place, f"expected text, but the expression gives {result!r:.60}")
            return None
        if len(result) > MAX_NAME_LENGTH and place[-1] in ("name", "job_name", "task"):
            self._problems.add("invalid_value", place, f"longer than {MAX_NAME_LENGTH} characters")
            return None
        return result

    def _check_path(self, path: str, place: Pointer, check: Callable[[str, str], str]) -> bool:
        try:
            check(path, json_path(place))
        except UnsafePathError as error:
            self._problems.add(error.slug, place, error.message)
            return False
        return True

    def _is_bad(self, pointer: Pointer, *keys: str) -> bool:
        """Tell whether a place was already found wrong, so that one fault is not reported as several."""
        return self._bad_places and self._problems.touches((*pointer, *keys))


def spread_values(start: float, end: float, count: int, *, logarithmic: bool) -> list[float]:
    """Spread `count` values from `start` to `end`, both included, equally or logarithmically equally."""
    if count <= 1:
        return [start][:count]
    steps = count - 1
    if logarithmic:
        inner = [start * (end / start) ** (index / steps) for index in range(1, steps)]
    else:
        inner = [start + (end - start) * index / steps for index in range(1, steps)]
    return [start, *inner, end]


def task_settings_of(description: Mapping[str, Any]) -> dict[str, Any]:
    """Take the keys of a task object that belong to its task type."""
    return {key: value for key, value in description.items() if key not in COMMON_KEYS and key not in LAZY_KEYS}


def _product(directory: str, filename: str) -> str:
    return f"product {filename!r} of directory {directory!r}"
