"""Whether what a writer emitted for an attempt is all there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eas.contracts.logs import AttemptCompleteness, Completeness, SequenceRange, StreamCompleteness


@dataclass(frozen=True)
class Tally:
    """One writer's records for one attempt.

    Parameters
    ----------
    stream
        The writer.
    emitted
        How many it said it made; None while it has not.
    stored, removed
        How many are there, and how many retention has removed.
    expected
        How many there must have been at least: as many as it said, or its highest number and one.
    gaps
        Sequence numbers below `expected` that are not there.
    """

    stream: str
    emitted: int | None
    stored: int
    removed: int
    expected: int
    gaps: list[SequenceRange]


def judge_stream(tally: Tally) -> StreamCompleteness:
    """Judge one writer. What retention removed had arrived."""
    missing = max(0, tally.expected - tally.stored - tally.removed)
    return StreamCompleteness(
        stream=tally.stream,
        state=_judge(missing, known=tally.emitted is not None),
        emitted=tally.emitted,
        stored=tally.stored,
        removed=tally.removed,
        missing=missing,
        missing_ranges=tally.gaps,
    )


def judge_attempt(attempt_id: int, tallies: Sequence[Tally]) -> AttemptCompleteness:
    """Judge an attempt: complete where every writer has said how much it made, and all of it arrived."""
    streams = [judge_stream(tally) for tally in tallies]
    numbers = [stream.emitted for stream in streams]
    known = [number for number in numbers if number is not None]
    all_known = bool(numbers) and len(known) == len(numbers)
    missing = sum(stream.missing for stream in streams)
    return AttemptCompleteness(
        attempt_id=attempt_id,
        state=_judge(missing, known=all_known),
        emitted=sum(known) if all_known else None,
        stored=sum(stream.stored for stream in streams),
        removed=sum(stream.removed for stream in streams),
        missing=missing,
        streams=streams,
    )


def _judge(missing: int, *, known: bool) -> Completeness:
    if missing:
        return Completeness.INCOMPLETE
    return Completeness.COMPLETE if known else Completeness.UNKNOWN
