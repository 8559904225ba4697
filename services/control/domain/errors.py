"""What `eas` itself finds wrong. Shown like the errors of the services.

::

    EasError
    └── ControlError
        ├── SuiteNotFoundError   suite_not_found
        ├── SuiteRunningError    suite_running
        ├── SuiteStartError      suite_start
        ├── UsageError           usage
        ├── FileError            file
        ├── JobTimeoutError      timeout
        └── DemonstrationError   demonstration
"""

from __future__ import annotations

from pathlib import Path

from shared.contracts.errors import EasError


class ControlError(EasError):
    """Base of the errors of EAS Control."""

    slug = "control"


class SuiteNotFoundError(ControlError):
    """There is no running suite where one was looked for."""

    slug = "suite_not_found"


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


class FileError(ControlError):
    """A file of the user's cannot be read or written."""

    slug = "file"

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"{path}: {error.strerror or error}")


class JobTimeoutError(ControlError):
    """A job was still running when the time to wait for it was over."""

    slug = "timeout"

    def __init__(self, job_id: int, seconds: float) -> None:
        super().__init__(f"job {job_id} is still running after {seconds:g} s; it goes on")


class DemonstrationError(ControlError):
    """The demonstration cannot be given."""

    slug = "demonstration"
