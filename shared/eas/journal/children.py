"""Programs whose output becomes log records."""

from __future__ import annotations

import logging
import os
import selectors
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

#: Longer lines become several records [bytes].
MAX_LINE = 8192

#: What is read at once; no pipe holds more than a few of them [bytes].
_BLOCK, _BLOCKS_IN_PIPE = 65536, 16

#: Control characters other than the tab, which have no place in a log.
_CONTROLS = {code: f"\\x{code:02x}" for code in [*range(9), *range(10, 32), 127]}


class PipeLog:
    """Makes log records of the lines in a stream of bytes; those that are no text are written in hexadecimal.

    Parameters
    ----------
    logger, level
        Of the records.
    remember
        How many of the last lines to keep.
    """

    def __init__(self, logger: logging.Logger, level: int, *, remember: int = 0) -> None:
        self._logger = logger
        self._level = level
        self._rest = b""
        self._last: deque[str] = deque(maxlen=remember)

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            for start in range(0, len(line), MAX_LINE):
                self._log(line[start : start + MAX_LINE])
        while len(self._rest) > MAX_LINE:
            self._log(self._rest[:MAX_LINE])
            self._rest = self._rest[MAX_LINE:]

    def finish(self) -> None:
        """Log what there is of an unfinished line."""
        self._log(self._rest)
        self._rest = b""

    def last_lines(self) -> list[str]:
        """Repeat the last lines."""
        return list(self._last)

    def _log(self, line: bytes) -> None:
        if text := line.decode("utf-8", "backslashreplace").rstrip().translate(_CONTROLS):
            self._last.append(text)
            self._logger.log(self._level, "%s", text)


def run_logged(
    command: Sequence[str | Path],
    logger: logging.Logger,
    *,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float | None = None,
) -> int:
    """Run a program to its end. Each line it prints becomes a record at once: INFO from stdout, WARNING from stderr.

    Parameters
    ----------
    command
        The program and its arguments; no shell is involved.
    logger
        Gets the records, which belong to whom the logger's handlers say.
    directory, environment
        As for `subprocess.Popen`.
    timeout_seconds
        After this the program is killed.

    Returns
    -------
    int
        Its exit status; negative is the number of the signal that ended it.

    Raises
    ------
    OSError
        It cannot be started.
    subprocess.TimeoutExpired
        It took too long and was killed. What it had printed is logged.
    """
    return run_piped(
        command,
        PipeLog(logger, logging.INFO),
        PipeLog(logger, logging.WARNING),
        directory=directory,
        environment=environment,
        timeout_seconds=timeout_seconds,
    )


def run_piped(
    command: Sequence[str | Path],
    said: PipeLog,
    complained: PipeLog,
    *,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float | None = None,
) -> int:
    """Do as `run_logged`, with a log for each stream. What the program leaves running is not waited for."""
    with subprocess.Popen(  # noqa: S603 - the caller's program, without a shell
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None  # noqa: S101 - asked for
        assert process.stderr is not None  # noqa: S101 - asked for
        logs = {process.stdout: said, process.stderr: complained}
        try:
            _follow(process, logs, timeout_seconds)
        finally:
            for pipe, log in logs.items():
                _drain(pipe, log)
                log.finish()
    return process.returncode


def _follow(process: subprocess.Popen[bytes], logs: Mapping[IO[bytes], PipeLog], timeout_seconds: float | None) -> None:
    """Log what a program writes until it has ended."""
    reading, writing = os.pipe()

    def watch() -> None:
        process.wait()
        os.close(writing)

    watcher = threading.Thread(target=watch, name="program-end", daemon=True)
    watcher.start()
    deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    try:
        with selectors.DefaultSelector() as selector:
            for pipe, log in logs.items():
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ, log)
            selector.register(reading, selectors.EVENT_READ)
            while _read_ready(selector, reading, deadline):
                if deadline is not None and time.monotonic() >= deadline:
                    raise subprocess.TimeoutExpired(process.args, timeout_seconds or 0.0)
    except BaseException:
        process.kill()
        raise
    finally:
        watcher.join()
        os.close(reading)


def _read_ready(selector: selectors.BaseSelector, ending: int, deadline: float | None) -> bool:
    """Log what has come; tell whether the program goes on."""
    goes_on = True
    for key, _ in selector.select(None if deadline is None else max(0.0, deadline - time.monotonic())):
        if key.fd == ending:
            goes_on = False
            continue
        if data := os.read(key.fd, _BLOCK):
            key.data.feed(data)
        else:
            selector.unregister(key.fileobj)
    return goes_on


def _drain(pipe: IO[bytes], log: PipeLog) -> None:
    """Log what is left in a pipe, but wait for nothing and nobody."""
    for _ in range(_BLOCKS_IN_PIPE):
        try:
            data = os.read(pipe.fileno(), _BLOCK)
        except BlockingIOError:
            return
        if not data:
            return
        log.feed(data)
