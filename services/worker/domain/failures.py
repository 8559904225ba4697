"""From an exception to the typed reason and the words that the user reads."""

from __future__ import annotations

import traceback

from pydantic import ValidationError

from services.worker.domain.errors import TaskError
from shared.contracts.states import FailureReason

#: A report's message is cut to this many characters, keeping its end, where a traceback says what happened.
MAX_MESSAGE = 60_000


def explain_failure(error: BaseException) -> tuple[FailureReason, str]:
    """Say why task code could not finish.

    A `TaskError` speaks for itself; of anything else that the code raises the user sees the traceback.
    """
    match error:
        case TaskError():
            return error.reason, cut_message(str(error) or type(error).__name__)
        case MemoryError():
            return FailureReason.OUT_OF_MEMORY, "the task ran out of memory"
        case SystemExit():
            return FailureReason.SCIENCE, f"the task called sys.exit({error.code!r})"
        case _:
            lines = traceback.format_exception(error)
            return FailureReason.SCIENCE, cut_message("".join(lines).rstrip())


def explain_settings(error: ValidationError) -> str:
    """List what is wrong with a task's settings, one line each."""
    lines = []
    for found in error.errors(include_url=False):
        place = ".".join(str(part) for part in found["loc"]) or "settings"
        given = "" if found["type"] == "missing" else f" (given: {found['input']!r:.200})"
        lines.append(f"setting {place}: {found['msg']}{given}")
    return cut_message("\n".join(lines))


def cut_message(message: str) -> str:
    """Keep the end of an over-long message, and nothing that has no place in JSON."""
    if len(message) > MAX_MESSAGE:
        message = "[…] " + message[-MAX_MESSAGE:]
    return clean_text(message)


def clean_text(text: str) -> str:
    """Write lone surrogates, which come from undecodable file names and have no UTF-8 form, as escapes."""
    return str(text) if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
