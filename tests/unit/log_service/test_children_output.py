"""What programs print becomes log records."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys

import pytest

from eas.journal.children import MAX_LINE, run_logged


class Kept(logging.Handler):
    """Keeps what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append((record.levelno, record.getMessage()))


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def logger(kept: Kept) -> logging.Logger:
    found = logging.Logger("program", logging.DEBUG)
    found.addHandler(kept)
    return found


def run(logger: logging.Logger, code: str, timeout: float | None = None) -> int:
    return run_logged([sys.executable, "-c", code], logger, timeout_seconds=timeout)


def test_lines_of_both_streams_are_records_and_the_status_comes_back(kept: Kept, logger: logging.Logger) -> None:
    code = "import sys; print('one %d'); print(); print('t\\xff'); print('trouble', file=sys.stderr); sys.exit(3)"
    assert run(logger, code) == 3
    assert sorted(kept.found) == [(20, "one %d"), (20, "tÿ"), (30, "trouble")]


def test_long_lines_come_in_pieces_and_other_bytes_are_kept_as_marks(kept: Kept, logger: logging.Logger) -> None:
    code = f"import sys; sys.stdout.buffer.write(b'x' * {MAX_LINE + 5} + b'\\n' + b'\\xff\\xfe end')"
    assert run(logger, code) == 0
    assert [len(text) for _, text in kept.found[:2]] == [MAX_LINE, 5]
    assert kept.found[2] == (20, r"\xff\xfe end")


def test_what_a_program_leaves_running_is_not_waited_for(kept: Kept, logger: logging.Logger) -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid, flush=True)"
    assert run(logger, code, timeout=60) == 0
    os.kill(int(kept.found[0][1]), signal.SIGKILL)


def test_what_takes_too_long_is_killed_and_what_it_said_is_kept(kept: Kept, logger: logging.Logger) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        # A shell has begun within milliseconds; Python might need the whole time on a busy machine.
        run_logged(["sh", "-c", "echo begun; exec sleep 600"], logger, timeout_seconds=3)
    assert kept.found == [(20, "begun")]


def test_a_missing_program_is_an_error(logger: logging.Logger) -> None:
    with pytest.raises(FileNotFoundError):
        run_logged(["no-such-program"], logger)
