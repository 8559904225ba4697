"""A child process: takes one attempt after the other from its socket, runs it, and answers."""

from __future__ import annotations

import faulthandler
import io
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TextIO, cast

from services.worker.logic.execution import ExecutionLimits, Executor
from services.worker.logic.scratch import ScratchFolder
from services.worker.storage.child_process import RECEIVE_SIZE
from services.worker.storage.frames import pack_answer, pack_notice, unpack_assignment
from services.worker.storage.nursery_options import NurseryOptions
from services.worker.storage.process_bonds import die_with_parent, volunteer_for_oom
from services.worker.storage.task_types import InstalledTaskTypes
from shared.journal.handler import JournalHandler

MAX_LINE = 8192


def run_child(channel: socket.socket, catalog: InstalledTaskTypes, options: NurseryOptions, parent: int) -> None:
    """Be a child until the supervisor closes the socket. Called right after the fork.

    Parameters
    ----------
    channel
        The child's end of its socket pair.
    catalog
        Task types, imported already if the fork server preloads.
    options
        As the fork server got them.
    parent
        The fork server's process id.
    """
    os.setsid()
    die_with_parent(parent)
    volunteer_for_oom()
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP):
        signal.signal(name, signal.SIG_DFL)
    faulthandler.enable(file=2)
    journal = _start_journal(options)
    folder = Path(options.message_folder)
    input_directory = Path(options.input_directory) if options.input_directory else None
    commands = Path(options.commands) if options.commands else None
    limits = ExecutionLimits(options.cpus, input_directory, commands)
    executor = Executor(catalog, journal, limits, ScratchFolder(folder))

    def say_checking(attempt_id: int) -> None:
        channel.send(pack_notice(attempt_id))

    while message := channel.recv(RECEIVE_SIZE):
        answer = executor.execute(unpack_assignment(message), say_checking)
        channel.send(pack_answer(answer, folder))
    journal.close()


def _start_journal(options: NurseryOptions) -> ChildJournal:
    """Send all log records, warnings and printed lines of this process to its journal."""
    journal = JournalHandler(Path(options.journal_folder), options.worker_id, level=logging.INFO)
    root = logging.getLogger()
    root.handlers[:] = [journal]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    sys.stdout = cast(TextIO, LineLog(logging.getLogger("stdout"), logging.INFO))
    sys.stderr = cast(TextIO, LineLog(logging.getLogger("stderr"), logging.WARNING))
    return ChildJournal(journal)


class ChildJournal:
    """The journal of one process, which also gets the lines that its tasks print."""

    def __init__(self, handler: JournalHandler) -> None:
        self._handler = handler

    def set_attempt(self, attempt_id: int, *, task_id: int = 0, job_id: int = 0) -> None:
        """From now on records belong to this attempt."""
        self._handler.set_attempt(attempt_id, task_id=task_id, job_id=job_id)

    def clear_attempt(self) -> None:
        """From now on records belong to no attempt."""
        sys.stdout.flush()
        sys.stderr.flush()
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
            if line.strip():
                self._logger.log(self._level, "%s", line.rstrip())
        return len(text)

    def flush(self) -> None:
        """Log what there is of an unfinished line."""
        if self._rest.strip():
            self._logger.log(self._level, "%s", self._rest.rstrip())
        self._rest = ""
