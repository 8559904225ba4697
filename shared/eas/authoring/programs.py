"""Running another program in the working directory of an attempt, with its words in the attempt's log."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eas.authoring.program_results import ProgramError
from eas.contracts.states import FailureReason
from eas.contracts.texts import clean_message
from eas.environment_variables import GPU_VARIABLE, MARK_VARIABLE, THREAD_VARIABLES
from eas.journal.children import PipeLog, run_piped

#: So much of the end of standard error goes into the message of a failure [lines].
LAST_LINES = 20


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
    said = PipeLog(logging.getLogger("stdout"), logging.INFO)
    complained = PipeLog(logging.getLogger("stderr"), logging.WARNING, remember=LAST_LINES)
    try:
        status = run_piped(command, said, complained, directory=directory, environment=environment)
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else str(error)
        raise ProgramError(FailureReason.INFRASTRUCTURE, f"{command[0]} cannot be started: {what}") from error
    return Ending(status, clean_message("\n".join(complained.last_lines())))


def clean_environment(
    directory: Path, *, cpus: int, passed: Iterable[str] = (), added: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Make the environment of a program: nothing of the worker's but its path, share, mark and the names in `passed`.

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
    environment = {
        name: os.environ[name] for name in ("PATH", "TZ", GPU_VARIABLE, MARK_VARIABLE, *passed) if name in os.environ
    }
    environment |= dict.fromkeys(THREAD_VARIABLES, str(cpus))
    environment |= {"HOME": str(directory), "TMPDIR": str(temporary), "LANG": "C.UTF-8", "MPLBACKEND": "agg"}
    return environment | dict(added or {})
