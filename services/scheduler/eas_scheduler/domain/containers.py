"""Worker containers: which task types each can run, with the resources that it asks for, as a registry file says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

from eas.contracts.errors import InvalidInputError, Problem

#: In a registry file: every container.
EVERYWHERE = "all"
MAX_NAME_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Resources:
    """Of one worker: processor cores, graphics processors, memory [GB]."""

    cpu: float
    gpu: int
    memory_gb: float


@dataclass(frozen=True, slots=True)
class Registry:
    """What a registry file says.

    Parameters
    ----------
    containers
        Name to the resources that it asks for.
    capabilities
        Task type to the containers that can run it.
    """

    containers: Mapping[str, Resources]
    capabilities: Mapping[str, frozenset[str]]


def check_container_name(name: str, *, where: str) -> None:
    """See that a container could have this name.

    Raises
    ------
    InvalidInputError
        It is empty, too long, begins or ends with a space, or means all containers.
    """
    if not 0 < len(name.strip()) == len(name) <= MAX_NAME_LENGTH or name == EVERYWHERE:
        words = f"1 to {MAX_NAME_LENGTH} characters, no space around them, and not {EVERYWHERE!r}, which means all"
        raise InvalidInputError(f"{name!r} is no name of a container: expected {words}", where=where)


def read_registry(text: bytes) -> Registry:
    """Read a task-type registry.

    Parameters
    ----------
    text
        XML: a root ``task_type_registry`` with ``containers/container`` (``name``, ``resourceRequirements`` with
        ``cpu``, ``gpu`` and ``memory_gb``) and ``tasks/task`` (``name``, one or more ``container``; ``all`` means all).

    Raises
    ------
    InvalidInputError
        It is not XML, or not of this form; `problems` lists everything that is wrong.
    """
    try:
        # The parser fetches nothing from outside, and expat bounds the expansion of entities.
        root = ElementTree.fromstring(text)  # noqa: S314
    except ElementTree.ParseError as error:
        line, column = error.position
        raise InvalidInputError(
            f"the registry is not XML: {error}", where=f"line {line}, column {column + 1}"
        ) from error
    if root.tag != "task_type_registry":
        raise InvalidInputError(f"expected the element task_type_registry, not {root.tag}", where="/")
    problems: list[Problem] = []
    containers = _read_containers(root, problems)
    capabilities = _read_tasks(root, containers, problems)
    if problems:
        message = f"the registry has {len(problems)} problems"
        raise InvalidInputError(message, where=problems[0].where, problems=problems)
    return Registry(containers, capabilities)


def _read_containers(root: ElementTree.Element, problems: list[Problem]) -> dict[str, Resources]:
    found: dict[str, Resources] = {}
    for number, element in enumerate(root.findall("containers/container"), 1):
        where = f"/task_type_registry/containers/container[{number}]"
        name = _read_name(element, where, problems)
        if name == EVERYWHERE or name in found:
            words = "means all containers" if name == EVERYWHERE else "stands there twice"
            problems.append(Problem(slug="invalid_value", message=f"the name {name!r} {words}", where=f"{where}/name"))
        needs = f"{where}/resourceRequirements"
        found[name] = Resources(
            cpu=_read_number(element, "cpu", needs, problems),
            gpu=int(_read_number(element, "gpu", needs, problems, whole=True)),
            memory_gb=_read_number(element, "memory_gb", needs, problems),
        )
    return found


def _read_tasks(
    root: ElementTree.Element, containers: Mapping[str, Resources], problems: list[Problem]
) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for number, element in enumerate(root.findall("tasks/task"), 1):
        where = f"/task_type_registry/tasks/task[{number}]"
        name = _read_name(element, where, problems)
        named = {(entry.text or "").strip() for entry in element.findall("container")}
        unknown = named - containers.keys() - {EVERYWHERE}
        if not named or unknown:
            words = f"unknown container {', '.join(sorted(unknown))}" if unknown else "expected at least one container"
            known = ", ".join([*containers, EVERYWHERE])
            message = f"{words}; there are {known}"
            problems.append(Problem(slug="unknown_container", message=message, where=f"{where}/container"))
        where_it_runs = frozenset(containers) if EVERYWHERE in named else frozenset(named - unknown)
        found[name] = found.get(name, frozenset()) | where_it_runs
    return found


def _read_name(element: ElementTree.Element, where: str, problems: list[Problem]) -> str:
    name = (element.findtext("name") or "").strip()
    if not name or len(name) > MAX_NAME_LENGTH:
        message = f"expected a name of 1 to {MAX_NAME_LENGTH} characters"
        problems.append(Problem(slug="invalid_value", message=message, where=f"{where}/name"))
    return name


def _read_number(
    element: ElementTree.Element, name: str, where: str, problems: list[Problem], *, whole: bool = False
) -> float:
    text = (element.findtext(f"resourceRequirements/{name}") or "").strip()
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e6 or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        message = f"expected {kind} that is not negative, not {text!r}"
        problems.append(Problem(slug="invalid_value", message=message, where=f"{where}/{name}"))
        return 0.0
    return value
