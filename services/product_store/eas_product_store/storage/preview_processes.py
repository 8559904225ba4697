"""The processes that make previews: started when one is wanted, ended when none has been wanted for a while."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Self

from eas.contracts.errors import InsufficientStorageError, NoPreviewError, UnavailableError, UnreadableError
from eas.temporary_folders import TemporaryFolder
from eas_product_store.domain.preview import Preview, PreviewRequest
from eas_product_store.previews.protocol import READY, Answer, Fault, Order

MODULE = "eas_product_store.previews.child"
#: How long the interpreter may take to start [s].
START_SECONDS = 60.0
#: How long a process waits for the next preview before it is ended [s].
IDLE_SECONDS = 60.0

#: What a process needs of the environment; it gets no tokens, keys or addresses.
_KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "MPLCONFIGDIR", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
_LINE_LIMIT = 1 << 20
_PATIENCE_S = 0.5


class PreviewProcesses:
    """Makes previews in processes that have no secrets, and bounded memory and time.

    Parameters
    ----------
    count
        How many at once.
    memory_mb
        Most memory of one [MB].
    seconds
        How long a preview may take [s].
    """

    def __init__(self, count: int, *, memory_mb: int, seconds: float) -> None:
        self._memory_mb = memory_mb
        self._seconds = seconds
        self._free = asyncio.Semaphore(count)
        self._idle: dict[PreviewProcess, asyncio.TimerHandle] = {}
        self._ending: set[asyncio.Task[None]] = set()

    async def make(
        self, blocks: AsyncIterator[bytes], size: int, mime_type: str, request: PreviewRequest, *, complete: bool
    ) -> Preview:
        """Make a preview. A process in which anything goes wrong is not used again.

        Raises
        ------
        NoPreviewError
            Such a file has none.
        UnreadableError
            It is damaged, or takes too much memory or time.
        UnavailableError
            No process can be started, or the disk is full.
        """
        order = Order(
            parameters=request.parameters,
            prefers_picture=request.prefers_picture,
            mime_type=mime_type,
            size=size,
            complete=complete,
        )
        async with self._free:
            process = await self._take()
            try:
                answer, content = await process.ask(order, blocks, self._seconds)
            except BaseException:
                await process.end()
                raise
            if answer.fault is Fault.EXHAUSTED:
                await process.end()
            else:
                self._idle[process] = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._retire, process)
        return _read_answer(answer, content)

    async def stop(self) -> None:
        """End all processes."""
        while self._idle:
            process, timer = self._idle.popitem()
            timer.cancel()
            await process.end()
        await asyncio.gather(*self._ending)

    async def _take(self) -> PreviewProcess:
        while self._idle:
            process, timer = self._idle.popitem()
            timer.cancel()
            if process.is_alive:
                return process
            await process.end()
        return await PreviewProcess.start(self._memory_mb, self._seconds)

    def _retire(self, process: PreviewProcess) -> None:
        del self._idle[process]
        ending = asyncio.create_task(process.end(), name="end of a preview process")
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)


class PreviewProcess:
    """A process that makes previews, one at a time."""

    def __init__(self, process: Process, folder: TemporaryFolder) -> None:
        self._process = process
        self._folder = folder

    @classmethod
    async def start(cls, memory_mb: int, seconds: float) -> Self:
        """Start a process, and wait until it is ready.

        Raises
        ------
        UnavailableError
            It cannot be started.
        """
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        # Threads of a linear algebra that nobody needs would take address space.
        environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        try:
            folder = await asyncio.to_thread(TemporaryFolder, "preview")
        except OSError as error:
            raise UnavailableError(f"no process for previews can be started: {error}") from error
        try:
            files = folder.path / "files"
            files.mkdir()
            command = (sys.executable, "-m", MODULE, str(files), str(memory_mb), str(seconds))
            # In a session of its own: what the user's keys interrupt is the suite, which ends it in good order.
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=PIPE,
                stdout=PIPE,
                env=environment,
                pass_fds=(folder.lock,),
                start_new_session=True,
                limit=_LINE_LIMIT,
            )
        except OSError as error:
            folder.remove()
            raise UnavailableError(f"no process for previews can be started: {error}") from error
        found = cls(process, folder)
        try:
            async with asyncio.timeout(START_SECONDS):
                said = await found._answers.readline()
            if said != READY:
                raise UnavailableError("a process for previews ended as it started; its words are in the service's log")
        except BaseException as error:
            await found.end()
            if isinstance(error, TimeoutError):
                raise UnavailableError("a process for previews did not start in time") from error
            raise
        return found

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    async def ask(self, order: Order, blocks: AsyncIterator[bytes], seconds: float) -> tuple[Answer, bytes]:
        """Have a preview made.

        Raises
        ------
        UnreadableError
            It took more than `seconds`, or the process died.
        """
        writer = self._process.stdin
        assert writer is not None  # noqa: S101 - it is a pipe
        try:
            writer.write(order.model_dump_json().encode() + b"\n")
            async for block in blocks:
                writer.write(block)
                await writer.drain()
            async with asyncio.timeout(seconds):
                answer = Answer.model_validate_json(await self._answers.readuntil(b"\n"))
                return answer, await self._answers.readexactly(answer.size)
        except TimeoutError:
            raise UnreadableError(f"no preview of it was ready after {seconds:g} s") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise UnreadableError("the process that looked at it died") from None

    async def end(self) -> None:
        """End it, and remove its files. One that is not busy goes by itself when its input ends."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        await asyncio.to_thread(self._folder.remove)

    @property
    def _answers(self) -> asyncio.StreamReader:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        return self._process.stdout


def _read_answer(answer: Answer, content: bytes) -> Preview:
    match answer.fault:
        case Fault.NO_FORM:
            raise NoPreviewError(answer.message, where="query.form")
        case Fault.UNREADABLE | Fault.EXHAUSTED:
            raise UnreadableError(answer.message)
        case Fault.NO_ROOM:
            raise InsufficientStorageError(answer.message)
        case _:
            assert answer.form is not None  # noqa: S101 - where there is no fault
            return Preview(answer.form, tuple(answer.forms), content)
