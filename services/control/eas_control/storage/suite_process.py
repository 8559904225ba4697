"""A suite that another program starts: `eas up` as a child process that does not outlive its parent."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from eas_control.domain.errors import SuiteStartError

#: How long a suite may take to stop before it is killed [s].
STOP_SECONDS = 90.0


@contextmanager
def start_suite(data: Path, *, workers: int, input_directory: Path | None = None) -> Iterator[None]:
    """Run a suite on a free port until the block ends. Commands find it by its data folder.

    Parameters
    ----------
    data
        The data folder.
    workers
        How many.
    input_directory
        Root of the external files that tasks may read.

    Raises
    ------
    SuiteStartError
        It did not become ready; it has said why on standard error.
    """
    arguments = ["--data", str(data), "--port", "0", "--workers", str(workers), "--follow-stdin"]
    if input_directory is not None:
        arguments += ["--input", str(input_directory)]
    process = _spawn(arguments)
    try:
        assert process.stdout is not None  # noqa: S101 - a pipe
        if not process.stdout.readline():
            raise SuiteStartError(f"the suite did not start (status {process.wait()}); see what it says above")
        yield
    finally:
        _stop(process)


def _spawn(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - this interpreter, our module
        [sys.executable, "-m", "eas_control.main", "up", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    finally:
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
