"""What task code raises to say why it cannot go on.

::

    TaskError                 reason "science": the code ran and could not finish
    ├── InputError            reason "input": the file or setting it was given is at fault; a retry cannot help
    └── OutputError           reason "science": it did not write what it promised
"""

from __future__ import annotations

from eas.contracts.states import FailureReason


class TaskError(Exception):
    """Task code could not finish. The message is shown to the user as it stands."""

    reason: FailureReason = FailureReason.SCIENCE


class InputError(TaskError):
    """An input file or a setting is wrong: unreadable, empty, out of range. Never retried."""

    reason = FailureReason.INPUT


class OutputError(TaskError):
    """The task ended without an output that it had promised."""
