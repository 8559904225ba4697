"""Quality control that every task type gets: what was promised exists, is not empty, and has finite metadata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.worker.domain.errors import TaskError
from services.worker.domain.failures import clean_text
from services.worker.domain.task_type import Verdict
from shared.contracts.metadata import Metadata, MetadataValue, find_non_finite


class MetadataError(TaskError):
    """The task returned metadata that has no JSON form."""

    def __init__(self, where: str, value: object) -> None:
        super().__init__(
            f"metadata {where}: {type(value).__name__} has no JSON form; expected None, bool, int, float, str, "
            "or a list or dict of these"
        )


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
    reasons = [verdict.reason for verdict in about if verdict.reason and verdict.passed is passed]
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


def _phrase(verdict: Verdict) -> str:
    reason = verdict.reason or "quality control said no"
    return f"{verdict.slot}: {reason}" if verdict.slot else reason
