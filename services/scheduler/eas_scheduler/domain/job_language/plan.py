"""Plans: the tasks that an expansion will make, before any of them exists."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from eas.contracts.execution import ExecutionRules
from eas.contracts.metadata import Metadata
from eas_scheduler.domain.estimates import Estimates
from eas_scheduler.domain.job_language.flow_types import FLOW_TYPES
from eas_scheduler.domain.rules import NO_RULES
from eas_scheduler.domain.task_settings import Pointer

MAX_TASKS = 2_000_000

#: What most tasks of a large job have none of; one object for all of them.
NOTHING: Mapping[str, Any] = MappingProxyType({})


def _nothing() -> Mapping[str, Any]:
    return NOTHING


@dataclass(slots=True)
class PlannedTask:
    """A task that will exist if the plan is carried out. Numbers refer to places in `Plan.tasks`.

    `parent` is None for children of the task that the plan expands. `iteration` is, for the test of
    a loop that repeats, the number of iterations behind it. `sources` has the number of the task that each
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
    iteration: int = 0
    inputs: Mapping[str, str] = field(default_factory=_nothing)
    outputs: Mapping[str, str] = field(default_factory=_nothing)
    input_sources: Mapping[str, int | None] = field(default_factory=_nothing)
    requires: Mapping[str, int] = field(default_factory=_nothing)
    execution: ExecutionRules = NO_RULES
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
    estimates: Estimates = field(default_factory=Estimates)
    children: int = 0


@dataclass(frozen=True)
class FlowTask:
    """The flow-control task that is to be expanded.

    Parameters
    ----------
    iteration
        Of a loop that repeats: how many iterations are behind it.
    list_key
        The key of the description that holds the tasks.
    execution
        Rules for its attempts and for all tasks inside it.
    """

    task_type: str
    description: Mapping[str, Any]
    pointer: Pointer
    level: int
    job_name: str | None
    working_directory: str
    metadata: Metadata
    seed: int
    requested_metadata: Mapping[str, Metadata] = field(default_factory=dict)
    iteration: int = 0
    list_key: str = "task_list"
    execution: ExecutionRules = NO_RULES


def derive_seed(seed: int, position: int) -> int:
    """Derive a child's seed from its parent's, so that the same document and seed always draw the same numbers."""
    digest = hashlib.blake2b(f"{seed}/{position}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big")
