"""From an exception to the typed reason and the words that the user reads."""

from __future__ import annotations

import errno
import signal
import traceback

from pydantic import ValidationError

from eas.authoring.errors import TaskError
from eas.contracts.states import FailureReason
from eas.contracts.texts import clean_message
from eas_worker.domain.assignment import WORKER_FAULT, Departure

#: What a full disk, or a user's full share of it, is called by the system.
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)

#: Signals that a process brings upon itself, in words.
_CRASHES = {
    signal.SIGSEGV: "it used memory that is not its own",
    signal.SIGBUS: "it used memory that is not there",
    signal.SIGILL: "it came to an instruction that this processor does not have",
    signal.SIGFPE: "it divided integers by zero",
    signal.SIGABRT: "it gave itself up",
    signal.SIGTRAP: "it ran into a trap",
    signal.SIGSYS: "it made a system call that it may not make",
}


def explain_failure(error: BaseException) -> tuple[FailureReason, str]:
    """Say why task code could not finish.

    A `TaskError` speaks for itself; of anything else that the code raises the user sees the traceback.
    """
    match error:
        case TaskError():
            return error.reason, clean_message(_say(error) or type(error).__name__)
        case MemoryError():
            return FailureReason.OUT_OF_MEMORY, "the task ran out of memory"
        case OSError() if error.errno in _DISK_FULL:
            return FailureReason.INFRASTRUCTURE, clean_message(f"the worker's disk is full: {error}")
        case OSError() if error.errno == errno.EFBIG:
            return FailureReason.OVER_LIMIT, clean_message(f"it wrote a larger file than it may: {error}")
        case SystemExit():
            return FailureReason.SCIENCE, f"the task called sys.exit({error.code!r})"
        case _:
            lines = traceback.format_exception(error)
            return FailureReason.SCIENCE, clean_message("".join(lines).rstrip())


def explain_death(departure: Departure) -> tuple[FailureReason, str]:
    """Say why a process ended under an attempt. What may have come from outside counts as lost."""
    if departure.cause is not None:
        return departure.cause.reason, departure.cause.message
    if departure.signal is not None:
        return _explain_signal(departure.signal)
    if departure.status is None:
        return FailureReason.LOST, f"the process that ran it {departure}"
    if departure.status == WORKER_FAULT:
        return FailureReason.INFRASTRUCTURE, "the process that ran it could not go on; the worker's log says why"
    return FailureReason.SCIENCE, f"the task ended its process with exit status {departure.status}"


def _explain_signal(number: int) -> tuple[FailureReason, str]:
    try:
        found = signal.Signals(number)
    except ValueError:
        return FailureReason.LOST, f"the process that ran it was killed by signal {number}"
    match found:
        case signal.SIGXCPU:
            return FailureReason.TIMEOUT, "it used more processor time than its process may (SIGXCPU)"
        case signal.SIGXFSZ:
            return FailureReason.OVER_LIMIT, "it wrote a larger file than it may (SIGXFSZ)"
        case _ if found in _CRASHES:
            return FailureReason.SCIENCE, f"the task crashed with {found.name}: {_CRASHES[found]}; see its log"
        case _:
            return FailureReason.LOST, f"the process that ran it was killed by {found.name}"


def explain_settings(error: ValidationError) -> str:
    """List what is wrong with a task's settings, one line each."""
    lines = []
    for found in error.errors(include_url=False):
        place = ".".join(str(part) for part in found["loc"]) or "settings"
        given = "" if found["type"] == "missing" else f" (given: {found['input']!r:.200})"
        lines.append(f"setting {place}: {found['msg']}{given}")
    return clean_message("\n".join(lines))


def _say(error: Exception) -> str:
    """Take an error's own words; code that is not ours may fail at that, too."""
    try:
        return str(error)
    except Exception as failure:
        return f"{type(error).__name__}, which cannot be shown: {type(failure).__name__}"
