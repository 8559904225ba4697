"""Quality control: what every task type gets, and the checks that users add.

Every task type gets this: what was promised exists, is not empty, and has finite metadata.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from services.worker.domain.errors import TaskError
from services.worker.domain.failures import clean_text
from services.worker.domain.task_type import TaskContext, Verdict
from shared.contracts.metadata import Metadata, MetadataValue, find_non_finite


class MetadataError(TaskError):
    """The task returned metadata that has no JSON form."""

    def __init__(self, where: str, value: object) -> None:
        super().__init__(
            f"metadata {where}: {type(value).__name__} has no JSON form; expected None, bool, int, float, str, "
            "or a list or dict of these"
        )


#: What a check may return: nothing, where all is well, or what it found.
Findings = Verdict | Iterable[Verdict] | None


@dataclass(frozen=True)
class QualityCheck:
    """A function that judges the attempts of some task types, after the task type's own check.

    Parameters
    ----------
    name
        The author of its verdicts.
    run
        Gets the context, outputs included, and the output metadata.
    task_types
        Those that it judges; all where there are none.
    """

    name: str
    run: Callable[[TaskContext, Metadata], Findings]
    task_types: frozenset[str] = frozenset()

    def concerns(self, task_type: str) -> bool:
        """Tell whether attempts of this task type are to be judged."""
        return not self.task_types or task_type in self.task_types


@dataclass(frozen=True, slots=True)
class ProducedFile:
    """What is known of a file that a task handed over. `size` is None where there is no such file [bytes]."""

    slot: str
    size: int | None
    metadata: Metadata
    declared: bool = True


def inspect_outputs(declared: Iterable[str], produced: Sequence[ProducedFile], metadata: Metadata) -> list[Verdict]:
    """Find what is wrong with the outputs of an attempt, whatever its task type. No verdicts: nothing is."""
    verdicts = []
    seen: set[str] = set()
    for file in produced:
        if file.declared and file.slot in seen:
            verdicts.append(Verdict(passed=False, reason="was handed over twice", slot=file.slot))
        seen.add(file.slot)
        if file.size is None:
            verdicts.append(Verdict(passed=False, reason="the file does not exist", slot=file.slot))
        elif file.size == 0:
            verdicts.append(Verdict(passed=False, reason="the file is empty", slot=file.slot))
        if (place := find_non_finite(file.metadata)) is not None:
            verdicts.append(Verdict(passed=False, reason=f"metadata {place} is not finite", slot=file.slot))
    verdicts += [
        Verdict(passed=False, reason="the task did not write this output", slot=slot)
        for slot in declared
        if slot not in seen
    ]
    if (place := find_non_finite(metadata)) is not None:
        verdicts.append(Verdict(passed=False, reason=f"metadata {place} is not finite"))
    return verdicts


def judge_attempt(check: QualityCheck, context: TaskContext, metadata: Metadata) -> list[Verdict]:
    """Have a check judge an attempt. Whatever it raises, or returns besides verdicts, is a rejection that says so."""
    try:
        found = check.run(context, metadata)
        verdicts = [found] if isinstance(found, Verdict) else [] if found is None else list(found)
    except MemoryError:
        raise
    except TaskError as error:
        verdicts = [Verdict(passed=False, reason=str(error) or type(error).__name__)]
    except Exception as error:  # foreign code may raise anything
        lines = "".join(traceback.format_exception(error)).rstrip()
        verdicts = [Verdict(passed=False, reason=f"quality control itself failed:\n{lines}")]
    for verdict in verdicts:
        if not isinstance(verdict, Verdict):
            reason = f"quality control returned a {type(verdict).__name__} where a Verdict was expected"
            return [Verdict(passed=False, reason=reason, author=check.name)]
    return [verdict if verdict.author else replace(verdict, author=check.name) for verdict in verdicts]


def describe_rejection(verdicts: Iterable[Verdict]) -> str | None:
    """List the reasons of all verdicts that say no; None where all say yes."""
    reasons = [_phrase(verdict) for verdict in verdicts if not verdict.passed]
    return "; ".join(reasons) if reasons else None


def judge_slot(slot: str, verdicts: Iterable[Verdict]) -> tuple[bool, str]:
    """Sum up the verdicts on one output: whether it passed, and the reasons given.

    A verdict on the attempt as a whole (`slot` is None) that says no is a no to every output.
    """
    about = [verdict for verdict in verdicts if verdict.slot == slot or (verdict.slot is None and not verdict.passed)]
    passed = all(verdict.passed for verdict in about)
    reasons = [_sign(verdict, verdict.reason) for verdict in about if verdict.reason and verdict.passed is passed]
    return passed, "; ".join(reasons)


def plain_metadata(metadata: Mapping[str, MetadataValue]) -> Metadata:
    """Turn array scalars and arrays into the plain values that JSON has, keeping int, float and bool apart.

    Raises
    ------
    MetadataError
        A value has no JSON form.
    """
    return {str(key): _plain(value, str(key)) for key, value in metadata.items()}


def _plain(value: object, where: str) -> MetadataValue:
    if value is None or type(value) in (bool, int, float):
        return value
    if isinstance(value, str):
        return clean_text(value)
    match value:
        case Mapping():
            return {str(key): _plain(item, f"{where}.{key}") for key, item in value.items()}
        case list() | tuple():
            return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    unpack = getattr(value, "tolist", None)  # numpy's arrays and scalars, which the worker need not know
    if callable(unpack):
        unpacked = unpack()
        if type(unpacked) is not type(value):
            return _plain(unpacked, where)
    for kind in (int, float):  # subclasses, such as enums
        if isinstance(value, kind):
            return kind(value)
    raise MetadataError(where, value)


def _sign(verdict: Verdict, reason: str) -> str:
    return f"{verdict.author}: {reason}" if verdict.author else reason


def _phrase(verdict: Verdict) -> str:
    reason = _sign(verdict, verdict.reason or "quality control said no")
    return f"{verdict.slot}: {reason}" if verdict.slot else reason
