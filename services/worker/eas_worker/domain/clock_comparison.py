"""How far this worker's clock is ahead of the scheduler's, from the times in its answers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from eas.contracts.scheduler import AttemptReport

#: So many answers are remembered: the clocks may drift.
_REMEMBERED = 8


@dataclass(frozen=True, slots=True)
class _Sample:
    offset: float
    uncertainty: float


class ClockComparison:
    """Compares two clocks as NTP does: the other one was read half-way between question and answer.

    Of the latest answers the one with the shortest round trip counts. An answer that contradicts it means that a clock
    was set, and makes all earlier ones void.
    """

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque(maxlen=_REMEMBERED)

    def observe(self, sent: float, round_trip: float, theirs: datetime | None) -> None:
        """Learn from an answer.

        Parameters
        ----------
        sent
            When the question was sent, by this worker's clock [s].
        round_trip
            How long the answer took, by a clock that nobody sets [s].
        theirs
            The scheduler's time; None: it did not say.
        """
        if theirs is None:
            return
        found = _Sample(sent + round_trip / 2 - theirs.timestamp(), round_trip / 2)
        if self._samples:
            best = self._best
            if abs(found.offset - best.offset) > found.uncertainty + best.uncertainty:
                self._samples.clear()
        self._samples.append(found)

    @property
    def offset(self) -> float | None:
        """How far this worker's clock is ahead [s]; None: unknown."""
        return round(self._best.offset, 3) if self._samples else None

    @property
    def correction(self) -> float:
        """What to subtract from this worker's times [s]; 0 where the clocks agree as well as can be told."""
        if not self._samples or abs(self._best.offset) <= self._best.uncertainty:
            return 0.0
        return self._best.offset

    @property
    def _best(self) -> _Sample:
        return min(self._samples, key=lambda sample: sample.uncertainty)


def correct_times(report: AttemptReport, ahead: float) -> AttemptReport:
    """Write the times of a report by the scheduler's clock, given how far the worker's is ahead [s]."""
    if not ahead:
        return report
    names = ("started_at", "checking_at", "ended_at")
    times = {name: getattr(report, name) for name in names}
    back = timedelta(seconds=ahead)
    return report.model_copy(update={name: found - back for name, found in times.items() if found is not None})
