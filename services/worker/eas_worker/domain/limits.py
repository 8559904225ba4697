"""What an attempt may use, what it has used, and the typed reason if that is too much."""

from __future__ import annotations

from dataclasses import dataclass

from eas.contracts.states import FailureReason

#: One of the gigabytes in which limits are given [bytes].
GIGABYTE = 1_000_000_000


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """What an attempt may use; None: no limit.

    Parameters
    ----------
    memory_gb
        Memory of its process and all descendants together [GB].
    cpu_timeout
        Processor time of all of them together [s].
    disk_gb
        Files in its working directory, and each file that it writes anywhere [GB].
    max_processes
        Processes and threads at the same time.
    """

    memory_gb: float | None = None
    cpu_timeout: float | None = None
    disk_gb: float | None = None
    max_processes: int | None = None

    def over(self, others: AttemptLimits) -> AttemptLimits:
        """Fill what is not said here from `others`."""
        return AttemptLimits(
            others.memory_gb if self.memory_gb is None else self.memory_gb,
            others.cpu_timeout if self.cpu_timeout is None else self.cpu_timeout,
            others.disk_gb if self.disk_gb is None else self.disk_gb,
            others.max_processes if self.max_processes is None else self.max_processes,
        )


NO_LIMITS = AttemptLimits()


@dataclass(frozen=True, slots=True)
class Usage:
    """What an attempt was seen to use: memory and files [bytes], processor time [s], processes and threads."""

    memory: int = 0
    cpu_time: float = 0.0
    disk: int = 0
    processes: int = 0


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a child process was killed: an attempt's own deed, with its typed reason and the words for the user."""

    attempt_id: int
    reason: FailureReason
    message: str


def explain_overrun(run_timeout: float) -> str:
    """Say that an attempt has run for as long as it may [s]."""
    return f"ran for longer than {run_timeout:.15g} s"


def find_excess(attempt_id: int, usage: Usage, limits: AttemptLimits) -> Cause | None:
    """Tell whether an attempt uses more than it may, and of what."""
    if limits.memory_gb is not None and usage.memory > limits.memory_gb * GIGABYTE:
        words = f"used {usage.memory / GIGABYTE:.3g} GB of memory; it may use {limits.memory_gb:g} GB"
        return Cause(attempt_id, FailureReason.OUT_OF_MEMORY, words)
    if limits.cpu_timeout is not None and usage.cpu_time > limits.cpu_timeout:
        words = f"used {usage.cpu_time:.3g} s of processor time; it may use {limits.cpu_timeout:.15g} s"
        return Cause(attempt_id, FailureReason.TIMEOUT, words)
    if limits.disk_gb is not None and usage.disk > limits.disk_gb * GIGABYTE:
        words = f"wrote {usage.disk / GIGABYTE:.3g} GB of files; it may write {limits.disk_gb:g} GB"
        return Cause(attempt_id, FailureReason.OVER_LIMIT, words)
    if limits.max_processes is not None and usage.processes > limits.max_processes:
        words = f"had {usage.processes} processes and threads at once; it may have {limits.max_processes}"
        return Cause(attempt_id, FailureReason.OVER_LIMIT, words)
    return None
