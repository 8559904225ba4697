"""Quality control: what every task type gets, and the checks that users add.

Every task type gets this: what was promised exists, is not empty, and has finite metadata.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel, ValidationError

from eas.authoring.errors import OutputError, TaskError
from eas.authoring.task_type import TaskContext, Verdict
from eas.contracts.errors import UnsafePathError
from eas.contracts.metadata import MAX_KEYWORD_LENGTH, Metadata, MetadataValue
from eas.contracts.paths import check_filename
from eas.contracts.products import Filename, MimeType, SemanticType
from eas.contracts.texts import clean_text, cut_reason
from eas.contracts.values import (
    MAX_LEVELS,
    MAX_METADATA_BYTES,
    MAX_RESULT_BYTES,
    ValueFault,
    find_value_fault,
    write_place,
)


class MetadataError(TaskError):
    """The task returned metadata that cannot be stored. Its next attempt would return the same."""


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
        if (fault := find_value_fault(file.metadata)) is not None:
            verdicts.append(Verdict(passed=False, reason=_describe_fault(fault), slot=file.slot))
    verdicts += [
        Verdict(passed=False, reason="the task did not write this output", slot=slot)
        for slot in declared
        if slot not in seen
    ]
    if (fault := find_value_fault(metadata)) is not None:
        verdicts.append(Verdict(passed=False, reason=_describe_fault(fault)))
    return verdicts


def _describe_fault(fault: ValueFault) -> str:
    return f"metadata {fault.where} is not finite" if fault.is_not_finite else f"metadata {fault}"


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
    return [
        replace(
            verdict,
            passed=bool(verdict.passed),
            author=verdict.author or check.name,
            reason=clean_text(str(verdict.reason or "")),
        )
        for verdict in verdicts
    ]


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
    return passed, cut_reason("; ".join(reasons))


class _OutputWords(BaseModel):
    """What an output is called, with the bounds of the product store."""

    slot: SemanticType
    filename: Filename | None
    mime_type: MimeType | None


def check_output_words(slot: str, filename: str | None, mime_type: str | None) -> None:
    """Refuse what the product store would refuse of an output that a task hands over. Raises `OutputError`."""
    try:
        _OutputWords.model_validate({"slot": slot, "filename": filename, "mime_type": mime_type})
        if filename is not None:
            check_filename(filename, "filename")
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in problem["loc"])
        raise OutputError(f"output {slot!r:.80}: {place} {problem['input']!r:.200}: {problem['msg']}") from error
    except UnsafePathError as error:
        raise OutputError(f"output {slot!r:.80}: filename {error.message}") from error


def plain_result(metadata: Mapping[str, MetadataValue]) -> Metadata:
    """Turn what a task returned into plain values, of at most `MAX_RESULT_BYTES`. See `plain_metadata`."""
    return plain_metadata(metadata, most_bytes=MAX_RESULT_BYTES)


def plain_output_metadata(metadata: Mapping[str, MetadataValue]) -> Metadata:
    """Turn the metadata of an output into plain values, as the product store takes them. See `plain_metadata`."""
    plain = plain_metadata(metadata, most_bytes=MAX_METADATA_BYTES)
    for keyword in plain:
        if not 0 < len(keyword) <= MAX_KEYWORD_LENGTH:
            raise MetadataError(f"metadata keyword {keyword[:80]!r}: expected 1 to {MAX_KEYWORD_LENGTH} characters")
    return plain


def plain_metadata(metadata: Mapping[str, MetadataValue], *, most_bytes: int | None = None) -> Metadata:
    """Turn array scalars and arrays into the plain values that JSON has, keeping int, float and bool apart.

    NaN and infinity are left to quality control.

    Raises
    ------
    MetadataError
        A value has no JSON form, or cannot be stored: see `eas.contracts.values`.
    """
    if not isinstance(metadata, Mapping):
        raise MetadataError(f"metadata: {type(metadata).__name__} given; expected a dict")
    plain: Metadata = _plain(metadata, (), 1)
    fault = find_value_fault(plain, most_bytes=most_bytes)
    if fault is not None and not fault.is_not_finite:
        raise MetadataError(f"metadata {fault}")
    return plain


def _plain(value: object, place: tuple[str | int, ...], level: int) -> MetadataValue:
    if value is None or type(value) in (bool, int, float):
        return value
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Mapping | list | tuple):
        if level > MAX_LEVELS:
            where = write_place(place)
            raise MetadataError(f"metadata {where}: nested too deep: a value has at most {MAX_LEVELS} levels")
        if isinstance(value, Mapping):
            named = [(clean_text(str(key)), item) for key, item in value.items()]
            plain = {key: _plain(item, (*place, key), level + 1) for key, item in named}
            if len(plain) < len(named):
                raise MetadataError(f"metadata {write_place(place)}: two keys are the same text, such as 1 and '1'")
            return plain
        return [_plain(item, (*place, index), level + 1) for index, item in enumerate(value)]
    unpack = getattr(value, "tolist", None)  # numpy's arrays and scalars, which the worker need not know
    if callable(unpack):
        unpacked = unpack()
        if type(unpacked) is not type(value):
            return _plain(unpacked, place, level)
    for kind in (int, float):  # subclasses, such as enums
        if isinstance(value, kind):
            return kind(value)
    raise MetadataError(
        f"metadata {write_place(place)}: {type(value).__name__} has no JSON form; expected None, bool, int, float, "
        "str, or a list or dict of these"
    )


def _sign(verdict: Verdict, reason: str) -> str:
    return f"{verdict.author}: {reason}" if verdict.author else reason


def _phrase(verdict: Verdict) -> str:
    reason = _sign(verdict, verdict.reason or "quality control said no")
    return f"{verdict.slot}: {reason}" if verdict.slot else reason
