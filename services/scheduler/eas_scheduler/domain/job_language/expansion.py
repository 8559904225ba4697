"""Flow control: turns a job document, or the part of it below one flow-control task, into a plan of tasks.

A plan is complete or there is none: whatever is wrong anywhere in it is gathered with its place. Tasks inside a loop or
chain that has to wait for another task's metadata are not planned yet; that happens when it becomes ready.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from eas.contracts.errors import UnsafePathError
from eas.contracts.execution import ExecutionRules
from eas.contracts.metadata import Metadata
from eas.contracts.paths import check_directory, check_filename
from eas.contracts.texts import LINE_PATTERN
from eas.contracts.values import MAX_METADATA_BYTES, find_value_fault
from eas_scheduler.domain.job_language.document import MAX_NAME_LENGTH, check_variable
from eas_scheduler.domain.job_language.evaluation import evaluate_or_note, evaluate_rules
from eas_scheduler.domain.job_language.expressions import Scope
from eas_scheduler.domain.job_language.flow_types import (
    CHAIN,
    COMMON_KEYS,
    CRITERION_KEYS,
    DO_WHILE_LOOP,
    FLOW_TYPES,
    INDEX_SUFFIX,
    LAZY_KEYS,
    RANGE_KEYS,
)
from eas_scheduler.domain.job_language.loop_values import find_loop_values
from eas_scheduler.domain.job_language.plan import (
    MAX_TASKS,
    NOTHING,
    ExternalInput,
    FlowTask,
    Plan,
    PlannedTask,
    derive_seed,
)
from eas_scheduler.domain.job_language.problems import ProblemList, json_path
from eas_scheduler.domain.rules import NO_RULES
from eas_scheduler.domain.task_settings import (
    Pointer,
    TaskTypeSpecification,
    check_settings,
    convert_settings,
    evaluate_settings,
)

#: A loop that goes on for longer is taken for a mistake, unless the scheduler is set otherwise.
MAX_ITERATIONS = 10_000

_LINE = re.compile(LINE_PATTERN)


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
        execution=reader.rules(document, NO_RULES, scope, ()),
    )


def expand(
    flow: FlowTask,
    task_types: Mapping[str, TaskTypeSpecification],
    problems: ProblemList,
    *,
    max_iterations: int = MAX_ITERATIONS,
) -> Plan:
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
    max_iterations
        The most iterations of a loop that repeats as long as a test says so.
    """
    expander = _Expander(task_types, problems, max_iterations)
    expander.expand_flow(flow, None, None)
    expander.find_late_producers()
    return expander.plan


class _Expander:
    def __init__(
        self,
        task_types: Mapping[str, TaskTypeSpecification],
        problems: ProblemList,
        max_iterations: int = MAX_ITERATIONS,
    ) -> None:
        self._max_iterations = max_iterations
        self.plan = Plan()
        self._task_types = task_types
        self._problems = problems
        self._bad_places = bool(problems.problems)
        self._places: dict[Pointer, Pointer] = {}

    def expand_flow(self, flow: FlowTask, parent: int | None, planned: PlannedTask | None) -> None:
        """Plan the children of one flow-control task; `planned` is its own entry in the plan, if it has one."""
        match flow.task_type:
            case "execution_for_loop":
                children = self._expand_for_loop(flow, parent)
            case "execution_conditional":
                children = self._expand_conditional(flow, parent)
            case "execution_do_while_loop" | "execution_while_loop":
                children = self._expand_repeating(flow, parent)
            case _:
                children, _names = self._expand_chain(flow, parent)
        if planned is None:
            self.plan.children = children
        else:
            planned.children = children
            planned.expanded = True

    # --- chains ------------------------------------------------------------------------------------------------

    def _expand_chain(self, flow: FlowTask, parent: int | None) -> tuple[int, dict[str, int]]:
        """Plan the tasks of a list. Returns how many there are, and their numbers by name."""
        tasks = flow.description.get(flow.list_key) or []
        names: dict[str, int] = {}
        if not isinstance(tasks, list):
            return 0, names
        for position, task in enumerate(tasks):
            pointer = self._place(*flow.pointer, flow.list_key, position)
            if isinstance(task, dict) and not self._is_bad(pointer, "task"):
                self._plan_task(flow, parent, position, task, pointer, names)
        return len(tasks), names

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
        if not self._has_room():
            return
        number = len(self.plan.tasks)
        planned = PlannedTask(
            parent=parent,
            position=position,
            level=chain.level + 1,
            pointer=pointer,
            task_type=self._line(task.get("task"), scope, (*pointer, "task")) or "",
            name=self._line(task.get("name"), scope, (*pointer, "name")) or None,
            job_name=self.override(task, "job_name", chain.job_name, scope, pointer),
            working_directory=self.override(task, "working_directory", chain.working_directory, scope, pointer) or "",
            metadata=chain.metadata,
            seed=seed,
            execution=self.rules(task, chain.execution, scope, pointer),
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
            execution=planned.execution,
        )

    def override(
        self, task: Mapping[str, Any], key: str, inherited: str | None, scope: Scope, pointer: Pointer
    ) -> str | None:
        if task.get(key) is None:
            return inherited
        place = (*pointer, key)
        if key == "job_name":
            return self._line(task[key], scope, place)
        value = self._text(task[key], scope, place)
        if value:
            self._check_path(value, place, check_directory)
        return value

    def rules(
        self, task: Mapping[str, Any], inherited: ExecutionRules, scope: Scope, pointer: Pointer
    ) -> ExecutionRules:
        """Find the rules for a task's attempts: its own, over those of the list around it."""
        if task.get("execution") is None or self._is_bad(pointer, "execution"):
            return inherited
        own = evaluate_rules(task["execution"], scope, (*pointer, "execution"), self._problems)
        return inherited if own is None else own.over(inherited)

    # --- files and requested metadata ----------------------------------------------------------------------------

    def _plan_files(
        self, planned: PlannedTask, number: int, task: Mapping[str, Any], scope: Scope, pointer: Pointer
    ) -> None:
        planned.inputs = self._filenames(task, "inputs", scope, pointer)
        planned.outputs = self._filenames(task, "outputs", scope, pointer)
        directory = planned.working_directory
        sources: dict[str, int | None] = {}
        for slot, filename in planned.inputs.items():
            place = self._place(*pointer, "inputs", slot)
            made = self.plan.products.get((directory, filename))
            sources[slot] = None if made is None else made[0]
            if made is None:
                self.plan.external_inputs.append(ExternalInput(number, slot, directory, filename, place))
        planned.input_sources = sources or NOTHING
        for slot, filename in planned.outputs.items():
            place = self._place(*pointer, "outputs", slot)
            made = self.plan.products.setdefault((directory, filename), (number, slot, place))
            if made[0] != number or made[1] != slot:
                other = json_path(made[2])
                again = "in another iteration of its loop" if made[2] == place else f"at {other}"
                message = f"{_product(directory, filename)} is already promised {again}"
                self._problems.add("duplicate_output", place, message)

    def _filenames(self, task: Mapping[str, Any], key: str, scope: Scope, pointer: Pointer) -> Mapping[str, str]:
        files = task.get(key)
        if not files or not isinstance(files, Mapping):
            return NOTHING
        found: dict[str, str] = {}
        for raw_slot, raw_filename in files.items():
            place = (*pointer, key, raw_slot)
            if self._is_bad(place):
                continue
            slot = self._line(raw_slot, scope, place)
            filename = self._text(raw_filename, scope, place)
            if slot == "":
                self._problems.add("invalid_value", place, f"the name of an {key[:-1]} is empty")
            if slot and filename is not None and self._check_path(filename, place, check_filename):
                found[slot] = filename
        return found

    def _plan_requirements(
        self, planned: PlannedTask, task: Mapping[str, Any], scope: Scope, pointer: Pointer, names: Mapping[str, int]
    ) -> None:
        required = task.get("requires_metadata_from")
        if isinstance(required, list):
            self._find_names(planned, required, scope, (*pointer, "requires_metadata_from"), names)

    def _find_names(
        self, planned: PlannedTask, required: list[Any], scope: Scope, pointer: Pointer, names: Mapping[str, int]
    ) -> None:
        sources: dict[str, int] = {}
        for index, entry in enumerate(required):
            place = (*pointer, index)
            name = self._text(entry, scope, place)
            if name is None:
                continue
            if name in names:
                sources[name] = names[name]
            else:
                known = ", ".join(sorted(names)) or "none"
                message = f"no earlier task of this list has the name {name!r}; there are {known}"
                self._problems.add("unknown_name", place, message)
        planned.requires = sources or NOTHING

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
            if not self._is_bad(pointer, *place):
                self._problems.add("invalid_expression", (*pointer, *place), message)
        if not evaluated.problems:
            convert_settings(specification, evaluated)
            for place, problem in check_settings(specification, evaluated):
                self._problems.add(problem.slug, (*pointer, *place), problem.message)
            if specification.estimates and not evaluated.unknown:
                self.plan.estimates.note(specification, evaluated.values, pointer)

    # --- loops and branches ---------------------------------------------------------------------------------------

    def _plan_chain(self, flow: FlowTask, parent: int | None, position: int, changes: Metadata) -> tuple[int, FlowTask]:
        """Plan the chain that holds one iteration of a loop, or one branch. It carries the loop's own description."""
        chain = PlannedTask(
            parent=parent,
            position=position,
            level=flow.level + 1,
            pointer=flow.pointer,
            task_type=CHAIN,
            name=None,
            job_name=flow.job_name,
            working_directory=flow.working_directory,
            metadata={**flow.metadata, **changes} if changes else flow.metadata,
            seed=derive_seed(flow.seed, position),
            execution=flow.execution,
            expanded=True,
        )
        self.plan.tasks.append(chain)
        return len(self.plan.tasks) - 1, self._flow_of(chain, flow.description)

    def _has_room(self) -> bool:
        if len(self.plan.tasks) < MAX_TASKS:
            return True
        self._problems.add("too_many_tasks", (), f"the job has more than {MAX_TASKS} tasks")
        return False

    def _expand_for_loop(self, flow: FlowTask, parent: int | None) -> int:
        scope = Scope(flow.metadata, flow.requested_metadata, flow.seed)
        parameter = self._variable(flow, "parameter", scope)
        values = find_loop_values(flow, scope, self._problems)
        if parameter is None or values is None:
            return 0
        key = next(key for key in RANGE_KEYS if key in flow.description)
        for index, value in enumerate(values):
            if not self._has_room():
                return index
            changes = {parameter: value, f"{parameter}{INDEX_SUFFIX}": index}
            if not self._can_inherit({**flow.metadata, **changes}, (*flow.pointer, key, index)):
                return index
            number, chain = self._plan_chain(flow, parent, index, changes)
            self.plan.tasks[number].children, _ = self._expand_chain(chain, number)
        return len(values)

    def _expand_conditional(self, flow: FlowTask, parent: int | None) -> int:
        holds = self._test(flow, flow.metadata)
        if holds is None:
            return 0
        key = "task_list" if holds else "else_task_list"
        if flow.description.get(key) is None or not self._has_room():
            return 0
        number, chain = self._plan_chain(flow, parent, 0, {})
        self.plan.tasks[number].children, _ = self._expand_chain(replace(chain, list_key=key), number)
        return 1

    def _expand_repeating(self, flow: FlowTask, parent: int | None) -> int:
        """Plan the next iteration of a loop, and those after it as long as their tests need no result.

        The chains of all iterations are children of the loop itself; each ends with a task that holds the next test.
        """
        scope = Scope(flow.metadata, flow.requested_metadata, flow.seed)
        name = self._variable(flow, "iteration_name", scope)
        if name is None:
            return 0
        counter = f"{name}{INDEX_SUFFIX}"
        most = min(flow.description.get("max_iterations") or self._max_iterations, self._max_iterations)
        made = 0
        while True:
            done = flow.iteration
            first_of_do_while = flow.task_type == DO_WHILE_LOOP and done == 0
            if not first_of_do_while and not self._test(flow, {**flow.metadata, counter: done}):
                return made
            if done >= most:
                message = f"stopped after {done} iterations, the most that are allowed; its test still says to go on"
                self._problems.add("too_many_iterations", flow.pointer, message)
                return made
            if not self._has_room():
                return made
            changes = {counter: done + 1}
            if not self._can_inherit({**flow.metadata, **changes}, flow.pointer):
                return made
            number, chain = self._plan_chain(flow, parent, done, changes)
            body, names = self._expand_chain(chain, number)
            test = self._plan_test(flow, chain, number, body, names)
            self.plan.tasks[number].children = body + 1
            made += 1
            if test.requires or self._problems.problems:
                return made
            test.expanded = True
            flow = replace(flow, iteration=done + 1, requested_metadata={}, seed=test.seed)

    def _plan_test(
        self, flow: FlowTask, chain: FlowTask, parent: int, position: int, names: Mapping[str, int]
    ) -> PlannedTask:
        """Plan the task that decides, after an iteration, whether there is another."""
        test = PlannedTask(
            parent=parent,
            position=position,
            level=chain.level + 1,
            pointer=flow.pointer,
            task_type=flow.task_type,
            name=None,
            job_name=chain.job_name,
            working_directory=chain.working_directory,
            metadata=chain.metadata,
            seed=derive_seed(chain.seed, position),
            execution=chain.execution,
            iteration=flow.iteration + 1,
        )
        scope = Scope(chain.metadata, {}, test.seed)
        required = flow.description.get("requires_metadata_from_child") or []
        self._find_names(test, required, scope, (*flow.pointer, "requires_metadata_from_child"), names)
        self.plan.tasks.append(test)
        return test

    def _test(self, flow: FlowTask, metadata: Metadata) -> bool | None:
        """Evaluate what a loop or branch tests. None where that is not possible, which is noted."""
        key = CRITERION_KEYS[flow.task_type]
        scope = Scope(metadata, flow.requested_metadata, flow.seed)
        good, result = evaluate_or_note(flow.description.get(key), scope, (*flow.pointer, key), self._problems)
        return bool(result) if good else None

    # --- evaluation ----------------------------------------------------------------------------------------------

    def _text(self, value: Any, scope: Scope, place: Pointer) -> str | None:
        """Evaluate something that must be text; numbers are written as text. None where it is absent or wrong."""
        if value is None or (self._bad_places and self._problems.touches(place)):
            return None
        good, result = evaluate_or_note(value, scope, place, self._problems)
        if not good:
            return None
        if isinstance(result, int | float) and not isinstance(result, bool):
            result = str(result)
        if not isinstance(result, str):
            self._problems.add("invalid_type", place, f"expected text, but the expression gives {result!r:.60}")
            return None
        return result

    def _line(self, value: Any, scope: Scope, place: Pointer) -> str | None:
        """Evaluate a name: text of one line. Nothing where it is absent, empty or wrong."""
        text = self._text(value, scope, place)
        if not text:
            return text
        if len(text) > MAX_NAME_LENGTH:
            self._problems.add("invalid_value", place, f"longer than {MAX_NAME_LENGTH} characters")
        elif not _LINE.fullmatch(text):
            self._problems.add("invalid_value", place, f"{text!r:.80} has a control character; a name is one line")
        else:
            return text
        return None

    def _variable(self, flow: FlowTask, key: str, scope: Scope) -> str | None:
        """Evaluate the name of the metadata that a loop sets. None where it is wrong."""
        place = (*flow.pointer, key)
        name = self._text(flow.description.get(key), scope, place)
        return name if name is not None and check_variable(name, place, self._problems) else None

    def _can_inherit(self, metadata: Metadata, place: Pointer) -> bool:
        """Tell whether tasks may inherit this: the product store keeps it with each of their products."""
        fault = find_value_fault(metadata, most_bytes=MAX_METADATA_BYTES)
        if fault is None:
            return True
        message = f"the metadata that tasks inherit from here, {fault}"
        self._problems.add(fault.slug, place, message)
        return False

    def _check_path(self, path: str, place: Pointer, check: Callable[[str, str], str]) -> bool:
        try:
            check(path, json_path(place))
        except UnsafePathError as error:
            self._problems.add(error.slug, place, error.message)
            return False
        return True

    def _place(self, *parts: str | int) -> Pointer:
        """Name a place of the document: with one object, however many iterations name it."""
        return self._places.setdefault(parts, parts)

    def _is_bad(self, pointer: Pointer, *keys: str | int) -> bool:
        """Tell whether a place was already found wrong, so that one fault is not reported as several."""
        return self._bad_places and self._problems.touches((*pointer, *keys))


def task_settings_of(description: Mapping[str, Any]) -> dict[str, Any]:
    """Take the keys of a task object that belong to its task type."""
    return {key: value for key, value in description.items() if key not in COMMON_KEYS and key not in LAZY_KEYS}


def _product(directory: str, filename: str) -> str:
    return f"product {filename!r} of directory {directory!r}"
