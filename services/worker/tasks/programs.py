"""Running another program in the working directory of an attempt, with its words in the attempt's log."""

from __future__ import annotations

import logging
import os
import selectors
import subprocess
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from services.worker.domain.executables import ProgramError
from services.worker.domain.failures import cut_message
from services.worker.domain.share import GPU_VARIABLE, THREAD_VARIABLES
from shared.contracts.states import FailureReason

#: Longer lines are logged in pieces [bytes].
LONGEST_LINE = 8192

#: So much of the end of standard error goes into the message of a failure [lines].
LAST_LINES = 20

#: Control characters other than the tab, which have no place in a log.
_CONTROLS = {code: f"\\x{code:02x}" for code in [*range(9), *range(10, 32), 127]}


@dataclass(frozen=True)
class Ending:
    """How a program ended: its exit status, or minus the signal that killed it, and the end of its standard error."""

    status: int
    last_words: str


def run_program(command: Sequence[str], *, directory: Path, environment: Mapping[str, str]) -> Ending:
    """Run a program until it ends. Each line that it writes is a log record, of whatever bytes it consists.

    It is of the caller's process group, so that it dies with it; it has no standard input.

    Parameters
    ----------
    command
        Program and arguments; no shell.
    directory
        Where it runs.
    environment
        All that it sees.

    Raises
    ------
    ProgramError
        It cannot be started (reason "infrastructure").
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - it is the user's own
            command,
            cwd=directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else str(error)
        raise ProgramError(FailureReason.INFRASTRUCTURE, f"{command[0]} cannot be started: {what}") from error
    assert process.stdout is not None  # noqa: S101
    assert process.stderr is not None  # noqa: S101
    spoken = PipeLog(logging.getLogger("stdout"), logging.INFO)
    complained = PipeLog(logging.getLogger("stderr"), logging.WARNING)
    try:
        status = _follow(process, {process.stdout: spoken, process.stderr: complained})
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        process.stdout.close()
        process.stderr.close()
    return Ending(status, complained.last_words())


def clean_environment(
    directory: Path, *, cpus: int, passed: Iterable[str] = (), added: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Make the environment of a program: nothing of the worker's but its path, share and the names in `passed`.

    Parameters
    ----------
    directory
        The working directory, which is also its home.
    cpus
        How many threads it may use.
    passed
        Variables to hand over from the worker's own environment, where they are set.
    added
        Further variables.
    """
    temporary = directory / "tmp"
    temporary.mkdir(mode=0o700, exist_ok=True)
    environment = {name: os.environ[name] for name in ("PATH", "TZ", GPU_VARIABLE, *passed) if name in os.environ}
    environment |= dict.fromkeys(THREAD_VARIABLES, str(cpus))
    environment |= {"HOME": str(directory), "TMPDIR": str(temporary), "LANG": "C.UTF-8", "MPLBACKEND": "agg"}
    return environment | dict(added or {})


class PipeLog:
    """Makes log records of the lines in a stream of bytes.

    Parameters
    ----------
    logger, level
        Of the records.
    """

    def __init__(self, logger: logging.Logger, level: int) -> None:
        self._logger = logger
        self._level = level
        self._rest = b""
        self._last: deque[str] = deque(maxlen=LAST_LINES)

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        *lines, rest = (self._rest + data).split(b"\n")
        while len(rest) > LONGEST_LINE:
            lines.append(rest[:LONGEST_LINE])
            rest = rest[LONGEST_LINE:]
        self._rest = rest
        for line in lines:
            for start in range(0, len(line), LONGEST_LINE):
                self._log(line[start : start + LONGEST_LINE])

    def finish(self) -> None:
        """Log what there is of an unfinished line."""
        self._log(self._rest)
        self._rest = b""

    def last_words(self) -> str:
        """Repeat the last lines."""
        return cut_message("\n".join(self._last))

    def _log(self, line: bytes) -> None:
        text = line.decode("utf-8", "backslashreplace").rstrip().translate(_CONTROLS)
        if text:
            self._last.append(text)
            self._logger.log(self._level, "%s", text)


def _follow(process: subprocess.Popen[bytes], logs: Mapping[IO[bytes], PipeLog]) -> int:
    """Read what a program writes until it has ended; what it leaves running cannot keep the attempt."""
    reading, writing = os.pipe()

    def watch() -> None:
        process.wait()
        os.close(writing)

    watcher = threading.Thread(target=watch, name="program-end", daemon=True)
    watcher.start()
    try:
        with selectors.DefaultSelector() as selector:
            for pipe, log in logs.items():
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ, log)
            selector.register(reading, selectors.EVENT_READ)
            while _read_ready(selector, reading):
                pass
            for pipe, log in logs.items():
                _drain(pipe, log)
                log.finish()
    finally:
        os.close(reading)
    watcher.join()
    return process.returncode


def _read_ready(selector: selectors.BaseSelector, ending: int) -> bool:
    """Log what has come; tell whether the program goes on."""
    goes_on = True
    for key, _ in selector.select():
        if key.fd == ending:
            goes_on = False
            continue
        data = os.read(key.fd, 65536)
        if data:
            key.data.feed(data)
        else:
            selector.unregister(key.fileobj)
    return goes_on


def _drain(pipe: IO[bytes], log: PipeLog) -> None:
    """Log what is left in a pipe, but wait for nothing and nobody."""
    left = 16  # as much as a pipe holds, in pieces of 64 kB
    while left:
        try:
            data = os.read(pipe.fileno(), 65536)
        except BlockingIOError:
            return
        if not data:
            return
        log.feed(data)
        left -= 1
