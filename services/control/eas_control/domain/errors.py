"""What `eas` itself finds wrong. Shown like the errors of the services.

::

    EasError
    └── ControlError
        ├── SuiteRunningError    suite_running
        ├── SuiteStartError      suite_start
        ├── UsageError           usage
        ├── AuthorProcessError   author_process
        └── DemonstrationError   demonstration

The errors of the clients that it uses are in `eas.client.suite.errors`.
"""

from __future__ import annotations

import signal
from pathlib import Path

from eas.contracts.errors import EasError


class ControlError(EasError):
    """Base of the errors of EAS Control."""

    slug = "control"


class SuiteRunningError(ControlError):
    """A data folder belongs to one running suite at a time."""

    slug = "suite_running"

    def __init__(self, folder: Path) -> None:
        super().__init__(f"a suite is already running on {folder}; stop it first, or give another folder with --data")


class SuiteStartError(ControlError):
    """The suite cannot be started; the message says why."""

    slug = "suite_start"


class UsageError(ControlError):
    """The arguments do not make sense together."""

    slug = "usage"


class AuthorProcessError(ControlError):
    """The process that ran an author's code died without an answer."""

    slug = "author_process"

    def __init__(self, status: int) -> None:
        if status < 0:
            end = f"was killed by {signal.Signals(-status).name}"
        else:
            end = f"ended with status {status}; see what it says above"
        super().__init__(f"the process that ran the task {end}")


class DemonstrationError(ControlError):
    """The demonstration cannot be given."""

    slug = "demonstration"


class BackupError(ControlError):
    """A backup cannot be made or used; the message says why."""

    slug = "backup"
