"""Programs whose output becomes log records."""

from __future__ import annotations

import logging
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

#: Longer lines become several records [bytes].
MAX_LINE = 8192


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
        readers = [
            threading.Thread(target=_log_lines, args=(stream, logger, level), daemon=True)
            for stream, level in ((process.stdout, logging.INFO), (process.stderr, logging.WARNING))
        ]
        for reader in readers:
            reader.start()
        try:
            return process.wait(timeout_seconds)
        finally:
            if process.poll() is None:
                process.kill()
            for reader in readers:
                reader.join()


def _log_lines(stream: IO[bytes], logger: logging.Logger, level: int) -> None:
    while line := stream.readline(MAX_LINE):
        if text := line.decode("utf-8", "replace").rstrip():
            logger.log(level, "%s", text)
