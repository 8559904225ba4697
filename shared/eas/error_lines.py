"""From the message of a failure to the one line that says what went wrong."""

from __future__ import annotations

_HEADER = "Traceback (most recent call last):"


def find_error_line(message: str) -> str:
    """Find the line to show where there is room for one: of a traceback the error itself, else the first.

    Parameters
    ----------
    message
        As a task, a worker or the scheduler gave it. Only the end of a very long one may be there.
    """
    lines = [line for line in message.splitlines() if line.strip()]
    if not lines:
        return ""
    headers = [number for number, line in enumerate(lines) if line.strip() == _HEADER]
    frames = [number for number, line in enumerate(lines) if line.startswith("  File ")]
    if not headers and not frames:
        return lines[0]
    start = max([*headers[-1:], *frames[-1:]])
    return next((line for line in lines[start + 1 :] if not line[0].isspace()), lines[-1]).strip()
