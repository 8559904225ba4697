"""A page of memory that a child shares with the fork server: which attempt it runs, and what that may use.

The child writes it at the beginning and the end of each attempt, which costs a microsecond; the fork server looks at it
whenever it likes. A message would wake the fork server for each of thousands of attempts a second.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass

from eas_worker.domain.limits import AttemptLimits

_ATTEMPT = struct.Struct("q")
_REST = struct.Struct("qqqdddqdd")
_PEAK = struct.Struct("q")
_REST_AT = _ATTEMPT.size
_PEAK_AT = _REST_AT + _REST.size
_TRIES = 100


@dataclass(frozen=True, slots=True)
class RunningAttempt:
    """What the page says: the attempt, its limits, and when it began.

    Parameters
    ----------
    serial
        Differs between two attempts, also where the same one runs again.
    cpu_before
        Processor time that the child had used, with its reaped children, when the attempt began [s].
    clock_ahead
        How far this host's clock is ahead of the scheduler's [s].
    """

    attempt_id: int
    task_id: int
    job_id: int
    serial: int
    limits: AttemptLimits
    cpu_before: float
    clock_ahead: float = 0.0


class AttemptPage:
    """One page, of one child. Make it before the fork."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)
        self._serial = 0

    def begin(
        self,
        attempt_id: int,
        task_id: int,
        job_id: int,
        limits: AttemptLimits,
        cpu_before: float,
        clock_ahead: float = 0.0,
    ) -> None:
        """Say that an attempt begins. For the child."""
        self._serial += 1
        _REST.pack_into(
            self._memory,
            _REST_AT,
            self._serial,
            task_id,
            job_id,
            limits.memory_gb or 0.0,
            limits.cpu_timeout or 0.0,
            limits.disk_gb or 0.0,
            limits.max_processes or 0,
            cpu_before,
            clock_ahead,
        )
        _PEAK.pack_into(self._memory, _PEAK_AT, 0)
        _ATTEMPT.pack_into(self._memory, 0, attempt_id)

    def end(self) -> int:
        """Say that it has ended. Returns the most memory that the fork server saw all its processes use [bytes]."""
        _ATTEMPT.pack_into(self._memory, 0, 0)
        peak: int = _PEAK.unpack_from(self._memory, _PEAK_AT)[0]
        return peak

    def read(self) -> RunningAttempt | None:
        """Tell what the child runs; None: nothing. For the fork server."""
        for _ in range(_TRIES):  # the child may be writing
            (attempt_id,) = _ATTEMPT.unpack_from(self._memory, 0)
            if not attempt_id:
                return None
            serial, task_id, job_id, memory, cpu_time, disk, processes, before, ahead = _REST.unpack_from(
                self._memory, _REST_AT
            )
            if self.is_at(attempt_id, serial):
                limits = AttemptLimits(memory or None, cpu_time or None, disk or None, processes or None)
                return RunningAttempt(attempt_id, task_id, job_id, serial, limits, before, ahead)
        return None

    def is_at(self, attempt_id: int, serial: int) -> bool:
        """Tell whether the child runs this attempt."""
        found = _ATTEMPT.unpack_from(self._memory, 0)[0], _ATTEMPT.unpack_from(self._memory, _REST_AT)[0]
        return found == (attempt_id, serial)

    def note_peak(self, memory: int) -> None:
        """Note how much memory all processes were seen to use [bytes]. For the fork server."""
        if memory > self.peak:
            _PEAK.pack_into(self._memory, _PEAK_AT, memory)

    @property
    def peak(self) -> int:
        """The most memory that all processes of the attempt were seen to use [bytes]."""
        found: int = _PEAK.unpack_from(self._memory, _PEAK_AT)[0]
        return found

    def close(self) -> None:
        """Let go of it."""
        self._memory.close()
