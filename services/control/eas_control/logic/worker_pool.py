"""The workers of an embedded suite: started, watched, replaced when they die, and stopped in good order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from secrets import token_hex
from typing import TYPE_CHECKING, Protocol

from eas.contracts.errors import NotFoundError
from eas_control.domain.errors import SuiteStartError

if TYPE_CHECKING:
    from eas.contracts.scheduler import WorkerView

logger = logging.getLogger(__name__)

#: Begins the name of every worker that a suite starts itself.
NAME_PREFIX = "embedded-"
#: Deaths before the first announcement after which the suite gives up.
MOST_FAILED_STARTS = 3
#: A worker that lived for less than this is replaced only after a pause [s].
SHORT_LIFE = 10.0
#: That pause doubles, from the first to the longest [s].
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
#: How often to look whether all workers have announced themselves [s].
POLL_SECONDS = 0.05


class Process(Protocol):
    """A worker's process."""

    @property
    def worker_id(self) -> str:
        """Its name."""

    async def wait(self) -> int:
        """Wait for its end. Returns its exit status, or the negative number of a signal."""

    def ask_to_stop(self) -> None:
        """Let it stop in good order; asked a second time, at once."""

    def kill(self) -> None:
        """End it."""

    def read_last_words(self) -> str:
        """Read the last line that it wrote."""


class Registry(Protocol):
    """The scheduler, as far as it knows workers."""

    async def list_workers(self) -> list[WorkerView]:
        """List the workers that have announced themselves."""

    async def dismiss(self, worker_id: str) -> None:
        """Declare a worker gone: what it holds is lost at once."""


class WorkerPool:
    """Keeps as many workers alive as there are places.

    Parameters
    ----------
    start_worker
        Starts a worker of a given name.
    registry
        Where workers announce themselves.
    size
        Number of places.
    patience
        How long workers may take to stop before they are killed [s].
    """

    def __init__(
        self, start_worker: Callable[[str], Awaitable[Process]], registry: Registry, *, size: int, patience: float
    ) -> None:
        self._start_worker = start_worker
        self._registry = registry
        self._size = size
        self._patience = patience
        self._present: dict[str, Process] = {}
        self._places: list[asyncio.Task[None]] = []
        self._failed_starts: list[str] = []
        self._ready = False
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Start all workers and wait until they have announced themselves.

        Raises
        ------
        SuiteStartError
            They die instead.
        """
        self._places = [asyncio.create_task(self._keep(number)) for number in range(1, self._size + 1)]
        while not self._ready:
            for place in self._places:
                if place.done():
                    place.result()
            if len(self._failed_starts) >= MOST_FAILED_STARTS:
                raise SuiteStartError(f"the workers do not start: {self._failed_starts[-1]}")
            known = {view.worker_id for view in await self._registry.list_workers() if not view.gone}
            self._ready = len(self._present) == self._size and self._present.keys() <= known
            await asyncio.sleep(POLL_SECONDS)

    async def stop(self, hurry: Callable[[], Awaitable[None]]) -> None:
        """Stop all workers: let them finish or hand back what they have.

        Parameters
        ----------
        hurry
            Returns whenever the user has lost patience: the first time workers stop at once, then they are killed.
        """
        self._stopping.set()
        for process in self._present.values():
            process.ask_to_stop()
        ending = asyncio.gather(*self._places, return_exceptions=True)
        impatience = asyncio.create_task(self._push(hurry))
        try:
            async with asyncio.timeout(self._patience):
                await asyncio.shield(ending)
        except TimeoutError:
            logger.warning("workers do not stop; they are killed")
            self._kill()
            await ending
        finally:
            impatience.cancel()

    def _kill(self) -> None:
        for process in self._present.values():
            process.kill()

    async def _push(self, hurry: Callable[[], Awaitable[None]]) -> None:
        await hurry()
        for process in self._present.values():
            process.ask_to_stop()
        await hurry()
        self._kill()

    async def _keep(self, number: int) -> None:
        """Fill one place for as long as the suite runs."""
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            worker_id = f"{NAME_PREFIX}{number}-{token_hex(4)}"
            born_at = asyncio.get_running_loop().time()
            try:
                process = await self._start_worker(worker_id)
            except Exception as error:
                words = f"worker {worker_id} cannot be started: {error}"
            else:
                words = await self._see_through(process)
            if self._stopping.is_set():
                return
            logger.warning("%s; another one takes its place", words)
            if not self._ready:
                self._failed_starts.append(words)
            if asyncio.get_running_loop().time() - born_at >= SHORT_LIFE:
                pause = FIRST_PAUSE
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _see_through(self, process: Process) -> str:
        """Wait for a worker's end, and tell how it ended."""
        self._present[process.worker_id] = process
        if self._stopping.is_set():
            process.ask_to_stop()
        status = await process.wait()
        del self._present[process.worker_id]
        await self._dismiss(process.worker_id)
        return self._describe_end(process, status)

    async def _dismiss(self, worker_id: str) -> None:
        """What the dead worker held is lost now, not when its leases expire."""
        try:
            await self._registry.dismiss(worker_id)
        except Exception as error:
            if not isinstance(error, NotFoundError):
                logger.warning("worker %s could not be dismissed, its leases will run out: %s", worker_id, error)

    def _describe_end(self, process: Process, status: int) -> str:
        end = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        last = process.read_last_words()
        return f"worker {process.worker_id} {end}" + (f" (its last words: {last})" if last else "")
