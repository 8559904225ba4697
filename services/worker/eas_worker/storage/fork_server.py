"""The supervisor's end of the fork server: start it, ask it for children, hear of their deaths."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from eas.contracts.scheduler import TaskTypeDescription
from eas.contracts.states import FailureReason
from eas_worker.domain.assignment import Departure
from eas_worker.domain.limits import AttemptLimits, Cause
from eas_worker.domain.share import Share, deal_gpus, deal_processors, list_gpus, set_share
from eas_worker.storage.child_options import ChildOptions
from eas_worker.storage.child_process import ChildProcess, kill_group, make_channel
from eas_worker.storage.process_tree import kill_left_behind, mark_of

logger = logging.getLogger(__name__)

#: The longest line of the fork server: the description of all task types [bytes].
LINE_LIMIT = 64 * 1024 * 1024

#: Pause before a fork server that died is started again [s].
RESTART_PAUSE = 1.0


class ForkServerError(RuntimeError):
    """The fork server cannot be used."""


@dataclass(frozen=True)
class _PendingChild:
    """A child that has been asked for."""

    ours: socket.socket
    theirs: socket.socket
    child: asyncio.Future[ChildProcess]


class ForkServer:
    """Raises children in a process that has the science imported. If that process dies, it is started again.

    Parameters
    ----------
    options
        For the process; its descriptors and the children's share are filled in here.
    environment
        The children's environment, without secrets and without what their share will say.
    """

    def __init__(self, options: ChildOptions, environment: dict[str, str]) -> None:
        self._options = options
        self._environment = environment
        self._folder = Path(options.message_folder)
        self._serial = 0
        self._births: dict[int, _PendingChild] = {}
        self._children: dict[int, ChildProcess] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._events: asyncio.ReadTransport | None = None
        self._reading: asyncio.Task[None] | None = None
        self._running = asyncio.Event()
        self._stopping = False

    async def start(
        self,
        share: Share,
        *,
        on_word: Callable[[ChildProcess], None],
        on_death: Callable[[ChildProcess, Departure], None],
    ) -> list[TaskTypeDescription]:
        """Start the process and wait until it has imported the task types.

        It goes on to import what they will need; the first child is born after that.

        Raises
        ------
        ForkServerError
            It ended before that.
        """
        gpus = list_gpus(self._environment, share)
        processors = sorted(os.sched_getaffinity(0)) if share.pinned else []
        self._options = replace(
            self._options,
            cpus=share.threads,
            gpus=None if gpus is None else deal_gpus(gpus, share.slots),
            processors=deal_processors(processors, share.threads, share.slots),
            limits=self._options.limits.over(AttemptLimits(memory_gb=share.memory_gb)),
        )
        self._environment = set_share(self._environment, share)
        self._on_word = on_word
        self._on_death = on_death
        reader = self._spawn()
        inventory = await self._read_inventory(reader)
        self._log_problems(inventory["problems"])
        self._reading = asyncio.create_task(self._read_events(reader), name="fork-server")
        self._running.set()
        return [TaskTypeDescription.model_validate(found) for found in inventory["types"]]

    async def start_child(self, slot: int) -> ChildProcess:
        """Fork a child. Waits where the fork server is being started again."""
        while True:
            await self._running.wait()
            ours, theirs = make_channel()
            self._serial += 1
            birth = self._births[self._serial] = _PendingChild(ours, theirs, asyncio.get_running_loop().create_future())
            try:
                assert self._control is not None  # noqa: S101 - the server is running
                socket.send_fds(self._control, [b"fork %d %d" % (self._serial, slot)], [theirs.fileno()])
                return await birth.child
            except (OSError, ForkServerError):  # it is dead; it will be started again
                self._running.clear()

    async def stop(self) -> None:
        """End the process and all children."""
        self._stopping = True
        if self._process is not None and not self._children:
            self._process.kill()  # it may be importing for long
        if self._control is not None:
            self._control.close()
        if self._reading is not None:
            await self._reading
        await self._let_go()

    async def _let_go(self) -> None:
        """Close what belongs to a process that has ended or is about to."""
        if self._control is not None:
            self._control.close()
        if self._events is not None:
            self._events.close()
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)

    def _spawn(self) -> asyncio.StreamReader:
        """Start the process. In the event loop's thread, on purpose: a fork takes a few milliseconds."""
        ours, theirs = make_channel()
        reading, writing = os.pipe()
        options = replace(self._options, control=theirs.fileno(), events=writing)
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, our module
            [sys.executable, "-m", "eas_worker.fork_server_main", options.to_argument()],
            stdin=subprocess.DEVNULL,
            stdout=2,
            pass_fds=(theirs.fileno(), writing),
            env=self._environment | mark_of(self._folder),
            start_new_session=True,
        )
        theirs.close()
        os.close(writing)
        self._control = ours
        reader = asyncio.StreamReader(limit=LINE_LIMIT)
        self._pipe = os.fdopen(reading, "rb", buffering=0)
        return reader

    async def _connect(self, reader: asyncio.StreamReader) -> None:
        loop = asyncio.get_running_loop()
        self._events, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), self._pipe)

    async def _read_inventory(self, reader: asyncio.StreamReader) -> dict[str, Any]:
        await self._connect(reader)
        line = await reader.readline()
        if not line:
            assert self._process is not None  # noqa: S101 - just started
            status = await asyncio.to_thread(self._process.wait)
            raise ForkServerError(f"the fork server ended with status {status} before it was ready")
        found: dict[str, Any] = orjson.loads(line)
        return found

    async def _read_events(self, reader: asyncio.StreamReader) -> None:
        while True:
            while line := await reader.readline():
                try:
                    self._handle(orjson.loads(line))
                except Exception:
                    logger.exception("the fork server said something that cannot be handled: %.200r", line)
            self._running.clear()
            self._bury_all()
            if self._stopping:
                return
            logger.error("the fork server died; starting it again")
            again = await self._restart()
            if again is None:
                return
            reader = again
            self._running.set()

    async def _restart(self) -> asyncio.StreamReader | None:
        """Start the process again, for as long as it takes; None where it is no longer wanted."""
        while not self._stopping:
            await asyncio.sleep(RESTART_PAUSE)
            await self._let_go()
            if self._stopping:
                break
            reader = self._spawn()
            try:
                await self._read_inventory(reader)
            except ForkServerError as error:
                logger.error("%s", error)
                continue
            return reader
        return None

    def _handle(self, event: dict[str, Any]) -> None:
        if "problems" in event:
            self._log_problems(event["problems"])
        elif "born" in event:
            self._register(self._births.pop(event["born"]), event["pid"])
        elif (child := self._children.pop(event["dead"], None)) is not None:
            self._bury(child, _read_departure(event))

    @staticmethod
    def _log_problems(problems: list[str]) -> None:
        for problem in problems:
            logger.error("left out: %s", problem)

    def _register(self, birth: _PendingChild, pid: int) -> None:
        child = ChildProcess(pid, birth.ours, birth.theirs, self._folder, self._kill)
        if birth.child.cancelled():
            child.close()
            return
        self._children[pid] = child
        asyncio.get_running_loop().add_reader(child.fileno(), self._on_word, child)
        birth.child.set_result(child)

    def _bury(self, child: ChildProcess, departure: Departure) -> None:
        asyncio.get_running_loop().remove_reader(child.fileno())
        self._on_death(child, departure)
        child.close()

    def _bury_all(self) -> None:
        """The fork server is gone, and the kernel has killed its children with it; what those had started is left."""
        if not self._stopping:
            kill_left_behind(self._folder)
        for pid, child in list(self._children.items()):
            kill_group(pid)
            del self._children[pid]
            self._bury(child, Departure(signal.SIGKILL, None))
        for birth in self._births.values():
            birth.ours.close()
            birth.theirs.close()
            if not birth.child.done():
                birth.child.set_exception(ForkServerError("the fork server died"))
        self._births.clear()

    def _kill(self, pid: int) -> None:
        if self._control is not None and pid in self._children:
            try:
                self._control.send(b"kill %d" % pid)
            except OSError:  # it is dead, and its children with it
                kill_group(pid)


def _read_departure(event: dict[str, Any]) -> Departure:
    code, cause = event["code"], event.get("cause")
    return Departure(
        signal=-code if code < 0 else None,
        status=code if code >= 0 else None,
        peak_memory=event["peak_memory"],
        cause=None if cause is None else Cause(**cause | {"reason": FailureReason(cause["reason"])}),
    )
