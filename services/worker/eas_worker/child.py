"""A child process: takes one attempt after the other from its socket, runs it, and answers."""

from __future__ import annotations

import faulthandler
import io
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, cast

from eas.environment_variables import GPU_VARIABLE
from eas.journal.handler import JournalHandler
from eas_worker.domain.assignment import Answer
from eas_worker.logic.execution import ExecutionLimits, Executor
from eas_worker.logic.scratch import ScratchFolder
from eas_worker.storage.attempt_guard import AttemptGuard
from eas_worker.storage.attempt_page import AttemptPage
from eas_worker.storage.child_options import ChildOptions
from eas_worker.storage.child_process import RECEIVE_SIZE
from eas_worker.storage.frames import pack_answer, pack_notice, unpack_assignment
from eas_worker.storage.local_disk import LocalDisk
from eas_worker.storage.process_bonds import adopt_orphans, die_with_parent, volunteer_for_oom
from eas_worker.storage.standard_streams import ChildStreams
from eas_worker.storage.task_types import InstalledTaskTypes

logger = logging.getLogger(__name__)

MAX_LINE = 8192


@dataclass(frozen=True)
class ChildSetup:
    """What a child gets from the fork server for itself alone.

    Parameters
    ----------
    parent
        The fork server's process id.
    slot
        The number of the slot that it serves.
    page
        Where it says what it runs.
    streams
        The writing ends of the pipes that become its standard output and error output.
    """

    parent: int
    slot: int
    page: AttemptPage
    streams: tuple[int, int]


def run_child(channel: socket.socket, catalog: InstalledTaskTypes, options: ChildOptions, given: ChildSetup) -> None:
    """Be a child until the supervisor closes the socket, or this process is worn out. Called right after the fork.

    Parameters
    ----------
    channel
        The child's end of its socket pair.
    catalog
        Task types, imported already if the fork server preloads.
    options
        As the fork server got them.
    given
        What this child alone has.
    """
    os.setsid()
    die_with_parent(given.parent)
    adopt_orphans()
    volunteer_for_oom()
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP):
        signal.signal(name, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    _take_share(options, given.slot)
    streams = ChildStreams(given.streams)
    faulthandler.enable(file=2)
    journal = _start_journal(options)
    folder = Path(options.message_folder)
    input_directory = Path(options.input_directory) if options.input_directory else None
    commands = Path(options.commands) if options.commands else None
    limits = ExecutionLimits(options.cpus, input_directory, commands)
    disk = LocalDisk(folder, options.promised_room) if options.promised_room else None
    executor = Executor(catalog, journal, limits, ScratchFolder(folder), disk)
    guard = AttemptGuard(given.page, streams, options.limits, options.recycling)
    _serve(channel, executor, guard, folder, journal)
    journal.close()


def _take_share(options: ChildOptions, slot: int) -> None:
    """Keep to the processors of the slot, and see only its graphics processors."""
    if options.gpus is not None:
        os.environ[GPU_VARIABLE] = ",".join(options.gpus[slot])
    if slot < len(options.processors) and options.processors[slot]:
        os.sched_setaffinity(0, options.processors[slot])


def _serve(
    channel: socket.socket, executor: Executor, guard: AttemptGuard, folder: Path, journal: ChildJournal
) -> None:
    this = os.getpid()

    def say_checking(attempt_id: int) -> None:
        channel.send(pack_notice(attempt_id))

    while message := channel.recv(RECEIVE_SIZE):
        assignment = unpack_assignment(message)
        guard.begin(assignment)
        journal.set_clock(assignment.clock_ahead)
        answer = executor.execute(assignment, say_checking)
        channel.send(_pack(guard.end(answer), folder, executor))
        if guard.retirement is not None:
            logger.info("process %d ends: %s", this, guard.retirement)
            return


def _pack(answer: Answer, folder: Path, executor: Executor) -> bytes:
    try:
        return pack_answer(answer, folder)
    except OSError as error:  # a long answer goes through a file, and the disk is full
        return pack_answer(executor.excuse_unsent(answer, error), folder)


def _start_journal(options: ChildOptions) -> ChildJournal:
    """Send all log records, warnings and printed lines of this process to its journal."""
    journal = JournalHandler(Path(options.journal_folder), options.worker_id, level=logging.INFO)
    root = logging.getLogger()
    root.handlers[:] = [journal]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    sys.stdout = cast(TextIO, LineLog(logging.getLogger("stdout"), logging.INFO))
    sys.stderr = cast(TextIO, LineLog(logging.getLogger("stderr"), logging.WARNING))
    return ChildJournal(journal, (sys.stdout, sys.stderr))


class ChildJournal:
    """The journal of one process, which also gets the lines that its tasks print."""

    def __init__(self, handler: JournalHandler, streams: Sequence[TextIO]) -> None:
        self._handler = handler
        self._streams = streams

    def set_clock(self, ahead: float) -> None:
        """From now on times are corrected by so much [s]."""
        self._handler.clock_ahead = ahead

    def set_attempt(self, attempt_id: int, *, task_id: int = 0, job_id: int = 0) -> None:
        """From now on records belong to this attempt."""
        self._handler.set_attempt(attempt_id, task_id=task_id, job_id=job_id)

    def clear_attempt(self) -> None:
        """From now on records belong to no attempt."""
        for stream in self._streams:
            stream.flush()
        self._handler.clear_attempt()

    def close(self) -> None:
        """Finish the journal."""
        self._handler.close()


class LineLog(io.TextIOBase):
    """A text stream of which every line becomes a log record."""

    def __init__(self, logger: logging.Logger, level: int) -> None:
        super().__init__()
        self._logger = logger
        self._level = level
        self._rest = ""
        self._logging = False

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def write(self, text: str) -> int:
        """Log every finished line; over-long ones in pieces."""
        *lines, rest = (self._rest + text).split("\n")
        if len(rest) > MAX_LINE:
            lines.append(rest)
            rest = ""
        self._rest = rest
        for line in lines:
            self._log(line)
        return len(text)

    def close(self) -> None:
        """Stay open: it is the process's, not the task's."""
        self.flush()

    def flush(self) -> None:
        """Log what there is of an unfinished line."""
        rest, self._rest = self._rest, ""
        self._log(rest)

    def _log(self, line: str) -> None:
        if not line.strip():
            return
        if self._logging:  # logging itself complains, or another thread writes at the same time
            os.write(2, f"{line}\n".encode("utf-8", "backslashreplace"))
            return
        self._logging = True
        try:
            self._logger.log(self._level, "%s", line.rstrip())
        finally:
            self._logging = False
