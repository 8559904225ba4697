"""Carries records from a spool folder to the log service, however long that is away."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from eas.background import cancel_and_wait
from eas.contracts.errors import EasError, ForbiddenError, InvalidInputError, TooLargeError, UnauthenticatedError
from eas.isolation import describe_error, is_passing
from eas.journal.spool import Spool, split_in_two

logger = logging.getLogger(__name__)

BATCH_LINES = 1000
POLL_SECONDS = 0.5
FIRST_PAUSE = 0.1

#: How long to let lines gather when there are new ones, so that short tasks are shipped together [s].
GATHERING = 0.05
LONGEST_PAUSE = 15.0

#: How often all lines of a batch fail, although the service is there, before they are set aside.
MOST_FAILURES = 8


class LineSink(Protocol):
    """Where lines go, such as `eas.client.log_service.LogClient`."""

    async def ingest_lines(self, lines: Sequence[bytes]) -> object:
        """Store records that are JSON already, or have them kept where they are not lost before they are stored.

        Raises
        ------
        InvalidInputError, TooLargeError
            Some of the lines will never be taken, or not together. None was.
        EasError
            They may or may not have been taken.
        """
        ...


class Shipper:
    """Sends what the writers of a spool folder append, in batches, and remembers durably how far it has come.

    Nothing is deleted before the service says that it is stored; what is sent twice, because an answer or this process
    was lost, the service stores once. While the service is away the writers go on writing and this waits, longer and
    longer up to `LONGEST_PAUSE`. Records that the service refuses as invalid are singled out and kept in the file
    ``rejected`` of the folder, and do not hold up the others.

    Parameters
    ----------
    folder
        The spool folder. Only one shipper may have it.
    sink
        The log service's client.
    poll_seconds
        How often to look for new lines when nobody calls `wake` [s].

    Raises
    ------
    SpoolInUseError
        Another process ships this folder.
    """

    def __init__(self, folder: Path, sink: LineSink, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._spool = Spool(folder)
        self._sink = sink
        self._poll_seconds = poll_seconds
        # One thread, so that a step that was cancelled half-way still ends before the next begins.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="log-shipper")
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._away = False
        self._failures = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to ship, in the background."""
        self._task = asyncio.create_task(self._run(), name="log-shipper")

    def wake(self) -> None:
        """Look for new lines now: an attempt has ended, say. Does not cut short the pause after a failure."""
        self._wake.set()

    async def drain(self, timeout_seconds: float) -> bool:
        """Ship all there is.

        Returns
        -------
        bool
            Whether the spool is empty; False if that took too long. What remains is shipped by the next shipper.
        """
        pause = FIRST_PAUSE
        try:
            async with asyncio.timeout(timeout_seconds) as limit:
                while not limit.expired():
                    try:
                        if not await self._ship_chunk():
                            return True
                        pause = FIRST_PAUSE
                    except Exception as error:
                        pause = await self._pause(error, pause)
        except TimeoutError:
            pass
        return False

    async def stop(self) -> None:
        """Stop shipping and let go of the folder. `drain` first to leave nothing behind."""
        if self._task is not None:
            await cancel_and_wait([self._task])
            self._task = None
        self._thread.shutdown()
        self._spool.close()

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                if not await self._ship_chunk():
                    await self._wait_for_lines()
                pause = FIRST_PAUSE
            except Exception as error:
                pause = await self._pause(error, pause)

    async def _pause(self, error: Exception, seconds: float) -> float:
        """Wait after a failure, and tell how long to wait after the next.

        Says once an absence that there is one: each word is itself a record to ship.
        """
        if not self._away:
            surprise = None if isinstance(error, EasError | OSError) else error
            logger.warning("log records cannot be shipped and are kept here: %s", error, exc_info=surprise)
        self._away = True
        await asyncio.sleep(seconds * random.uniform(0.5, 1.0))  # noqa: S311 - only to spread the load
        return min(2 * seconds, LONGEST_PAUSE)

    async def _wait_for_lines(self) -> None:
        try:
            async with asyncio.timeout(self._poll_seconds):
                await self._wake.wait()
            await asyncio.sleep(GATHERING)
        except TimeoutError:
            pass
        self._wake.clear()

    async def _ship_chunk(self) -> bool:
        """Send one chunk; False if there was nothing to send."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            chunk = await loop.run_in_executor(self._thread, self._spool.collect, BATCH_LINES)
            if not chunk.positions:
                return False
            await self._send_all(chunk.lines)
            await loop.run_in_executor(self._thread, self._spool.settle, chunk)
        if self._away:
            self._away = False
            logger.info("log records are shipped again")
        return True

    async def _send_all(self, lines: Sequence[bytes]) -> None:
        """Send lines, setting aside those that are refused, and those at which the service fails although it is there.

        Raises
        ------
        Exception
            The service is away, does not let us in, or fails at all of the lines, and has not done so often yet.
        """
        failing: list[tuple[bytes, Exception]] = []
        await self._send(lines, failing)
        if not failing:
            self._failures = 0
            return
        self._failures += 1
        if len(failing) == len(lines) and self._failures < MOST_FAILURES:
            raise failing[0][1]
        for line, error in failing:
            self._spool.reject([line], describe_error(error))
        self._failures = 0

    async def _send(self, lines: Sequence[bytes], failing: list[tuple[bytes, Exception]]) -> None:
        if not lines:
            return
        try:
            await self._sink.ingest_lines(lines)
        except Exception as error:
            if is_passing(error) or isinstance(error, ForbiddenError | UnauthenticatedError | OSError):
                raise
            if len(lines) > 1:
                for half in split_in_two(lines):
                    await self._send(half, failing)
            elif isinstance(error, InvalidInputError | TooLargeError):
                self._spool.reject(lines, error.message)
            else:
                failing.append((lines[0], error))
