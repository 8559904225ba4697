"""What a client of a whole suite finds wrong, besides what the services say.

::

    EasError
    └── SuiteError               suite
        ├── SuiteNotFoundError   suite_not_found
        ├── SuiteClosedError     suite_closed
        ├── JobTimeoutError      timeout
        └── FileError            file
"""

from __future__ import annotations

from pathlib import Path

from eas.contracts.errors import EasError


class SuiteError(EasError):
    """Base of the errors of a suite's clients."""

    slug = "suite"


class SuiteNotFoundError(SuiteError):
    """There is no running suite where one was looked for."""

    slug = "suite_not_found"


class SuiteClosedError(SuiteError):
    """The connection to the suite has been closed on this side."""

    slug = "suite_closed"

    def __init__(self) -> None:
        super().__init__("the connection to the suite was closed; connect again")


class JobTimeoutError(SuiteError):
    """A job was still running when the time to wait for it was over."""

    slug = "timeout"

    def __init__(self, job_id: int, seconds: float) -> None:
        super().__init__(f"job {job_id} is still running after {seconds:g} s; it goes on")


class FileError(SuiteError):
    """A file of the user's cannot be read or written."""

    slug = "file"

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"{path}: {error.strerror or error}")
