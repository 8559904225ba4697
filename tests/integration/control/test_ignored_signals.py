"""Programs and tests that are started with signals ignored, as in the background of a script or by some CI systems.

Each test runs a process: what is ignored is handed down only there.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

#: Runs a program with signals ignored.
DEAF = ("sh", "-c", 'trap "" INT TERM CHLD HUP; exec "$@"', "sh", sys.executable)
WAIT = """
import signal, subprocess, sys
from eas.signals import choose_stop_signals, hear_signals
hear_signals()
status = subprocess.run([sys.executable, "-c", "raise SystemExit(3)"]).returncode
try:
    print(status, *choose_stop_signals(), flush=True)
    while True:
        signal.pause()
except KeyboardInterrupt:
    raise SystemExit(42)
"""


@pytest.mark.parametrize(
    ("numbers", "status"),
    [([signal.SIGHUP, signal.SIGINT], 42), ([signal.SIGTERM], -signal.SIGTERM)],
)
def test_a_program_hears_what_stops_it_and_how_its_children_end(numbers: list[signal.Signals], status: int) -> None:
    with subprocess.Popen([*DEAF, "-c", WAIT], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "3 2 15\n"
        for number in numbers:
            process.send_signal(number)
        assert process.wait(120) == status


def test_a_hangup_stops_a_program_that_was_not_started_to_outlive_it() -> None:
    script = "import signal; from eas.signals import *; signal.signal(signal.SIGHUP, signal.SIG_DFL); "
    script += "hear_signals(); print(*choose_stop_signals())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "2 15 1\n"


def test_tests_that_interrupt_themselves_pass_where_sigint_is_ignored() -> None:
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", "interrupted", "-o", "timeout=30"]
    command = [*DEAF, "-m", "pytest", *options, "tests/unit/clients/test_loop_thread.py"]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
