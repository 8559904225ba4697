"""An event loop in a thread of its own, for callers that have none, or that have one which must not be kept waiting."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from eas.background import cancel_and_wait
from eas.client.suite.errors import SuiteClosedError

Answer = TypeVar("Answer")
Item = TypeVar("Item")


class LoopThread:
    """Runs coroutines for any number of other threads.

    It ends when it is closed, when nobody has it any more, or with the program, whichever comes first.

    Parameters
    ----------
    on_close
        Awaited on the loop, after the last coroutine has ended.
    """

    def __init__(self, on_close: Callable[[], Awaitable[None]]) -> None:
        self._serving = _Serving(on_close)
        self._finalizer = weakref.finalize(self, self._serving.stop)

    def run(self, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        """Run a coroutine and wait for its result. An interrupted caller takes it back.

        Raises
        ------
        SuiteClosedError
            The loop was closed, before or meanwhile, or is that of the process that this one was forked from.
        RuntimeError
            It is called from a coroutine on this very loop, which would wait for itself.
        """
        if self._serving.is_current:
            coroutine.close()
            raise RuntimeError("the blocking client cannot be used from its own event loop")
        future = self._serving.start(coroutine)
        try:
            return future.result()
        except CancelledError:
            raise SuiteClosedError from None
        except BaseException:
            future.cancel()
            raise

    def iterate(self, items: AsyncGenerator[Item, None]) -> Generator[Item, None, None]:
        """Go through what an asynchronous generator gives. It is closed when the caller has had enough."""
        steps = _Steps(items, self._serving.under_way)
        try:
            while found := self.run(steps.take()):
                yield found[0]
        finally:
            self._serving.finish(steps.close())

    def close(self) -> None:
        """End all coroutines and then the thread. May be repeated."""
        self._finalizer()


class _Serving:
    """The loop's own side, which does not keep a `LoopThread` alive."""

    def __init__(self, on_close: Callable[[], Awaitable[None]]) -> None:
        #: What is being iterated; only the loop's own thread changes it.
        self.under_way: set[_Steps] = set()
        self._on_close = on_close
        self._lock = threading.Lock()
        self._closed = False
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,), name="eas-client", daemon=True)
        self._thread.start()
        started.wait()

    @property
    def is_current(self) -> bool:
        """Whether the caller is on the loop's thread."""
        return threading.current_thread() is self._thread

    def start(self, coroutine: Coroutine[Any, Any, Answer]) -> Future[Answer]:
        """Have a coroutine run. What was started before `stop` always ends, if only by being cancelled."""
        with self._lock:
            if self._closed or not self._thread.is_alive():  # a forked process has no threads
                coroutine.close()
                raise SuiteClosedError
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def finish(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Have a coroutine run that tidies up, and wait for it, unless the loop tidies up itself."""
        try:
            future = self.start(coroutine)
        except SuiteClosedError:
            return
        if not self.is_current:
            future.result()

    def stop(self) -> None:
        """End what runs, and then the thread."""
        with self._lock:
            if not self._closed and self._thread.is_alive():
                self._closed = True
                self._loop.call_soon_threadsafe(self._end.set)
        if not self.is_current:
            self._thread.join()

    def _serve(self, started: threading.Event) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._stay(started))

    async def _stay(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        started.set()
        await self._end.wait()
        await cancel_and_wait(asyncio.all_tasks() - {asyncio.current_task()})
        for steps in list(self.under_way):
            await steps.close()
        await self._on_close()


class _Steps:
    """An asynchronous generator that is asked for one item at a time, and may be given up in the middle of a step."""

    def __init__(self, items: AsyncGenerator[Any, None], under_way: set[_Steps]) -> None:
        self._items = items
        self._under_way = under_way
        self._step: asyncio.Task[Any] | None = None

    async def take(self) -> tuple[Any] | None:
        """Take one item; None after the last."""
        self._under_way.add(self)
        self._step = asyncio.current_task()
        try:
            return (await anext(self._items),)
        except StopAsyncIteration:
            return None

    async def close(self) -> None:
        """End the step that is under way, and the generator."""
        if self._step is not None:
            await cancel_and_wait([self._step])
        self._under_way.discard(self)
        await self._items.aclose()
