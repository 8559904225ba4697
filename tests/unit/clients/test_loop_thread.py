"""A loop in a thread of its own: many callers, interruptions, and an end that leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from eas.client.loop_thread import LoopThread
from eas.client.suite.errors import SuiteClosedError

PATIENCE = 60.0


class Recorder:
    """Says when something has begun and ended on the loop."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.ended = threading.Event()
        self.words: list[str] = []

    async def wait_for_ever(self) -> None:
        try:
            self.begun.set()
            await asyncio.Event().wait()
        finally:
            self.words.append("cancelled")
            self.ended.set()

    async def count(self, last: int) -> AsyncGenerator[int, None]:
        try:
            for number in range(last):
                yield number
            await asyncio.Event().wait()
        finally:
            self.words.append("generator closed")
            self.ended.set()

    async def close(self) -> None:
        self.words.append("closed")


def client_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "eas-client"]


def is_waiting(thread: threading.Thread) -> bool:
    """Whether a thread waits for another one, in `Future.result` for example."""
    frame = sys._current_frames().get(thread.ident or 0)
    return frame is not None and frame.f_code is threading.Condition.wait.__code__


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def loop(recorder: Recorder) -> Iterator[LoopThread]:
    found = LoopThread(recorder.close)
    yield found
    found.close()
    assert client_threads() == []


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


def test_callers_of_many_threads_are_served_at_once(loop: LoopThread) -> None:
    all_here = asyncio.Barrier(8)

    async def meet(number: int) -> int:
        await all_here.wait()
        return await double(number)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda number: loop.run(meet(number)), range(8))) == [0, 2, 4, 6, 8, 10, 12, 14]


async def test_it_can_be_called_where_another_loop_runs(loop: LoopThread) -> None:
    assert loop.run(double(4)) == 8
    assert list(zip(loop.iterate(Recorder().count(3)), range(2), strict=False)) == [(0, 0), (1, 1)]


def test_an_error_comes_as_it_was_raised(loop: LoopThread) -> None:
    async def fail() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        loop.run(fail())


def test_what_an_interrupted_caller_waits_for_is_cancelled(loop: LoopThread, recorder: Recorder) -> None:
    async def interrupt_the_caller() -> None:
        while not is_waiting(threading.main_thread()):  # noqa: ASYNC110 - the caller sets no event
            await asyncio.sleep(0.001)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        await recorder.wait_for_ever()

    with pytest.raises(KeyboardInterrupt):
        loop.run(interrupt_the_caller())
    assert recorder.ended.wait(PATIENCE)
    assert recorder.words == ["cancelled"]


def test_a_generator_is_closed_when_its_reader_has_had_enough(loop: LoopThread, recorder: Recorder) -> None:
    numbers = loop.iterate(recorder.count(9))
    assert [next(numbers), next(numbers)] == [0, 1]
    assert recorder.words == []
    numbers.close()
    assert recorder.words == ["generator closed"]


def test_a_generator_is_closed_when_its_reader_is_interrupted(loop: LoopThread, recorder: Recorder) -> None:
    async def numbers() -> AsyncGenerator[int, None]:
        async for number in recorder.count(1):
            yield number
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    read = loop.iterate(numbers())
    assert next(read) == 0
    with pytest.raises(KeyboardInterrupt):
        next(read)
    assert recorder.ended.wait(PATIENCE)


def test_closing_ends_what_runs_and_then_the_connections(recorder: Recorder) -> None:
    loop = LoopThread(recorder.close)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: loop.run(recorder.wait_for_ever()))
        assert recorder.begun.wait(PATIENCE)
        loop.close()
        assert isinstance(waiting.exception(PATIENCE), SuiteClosedError)
    loop.close()
    assert recorder.words == ["cancelled", "closed"]
    assert client_threads() == []
    with pytest.raises(SuiteClosedError, match="connect again"):
        loop.run(double(1))


def test_closing_ends_readers_too(recorder: Recorder) -> None:
    loop = LoopThread(recorder.close)
    numbers = loop.iterate(recorder.count(9))
    next(numbers)
    loop.close()
    with pytest.raises(SuiteClosedError):
        next(numbers)
    assert recorder.words == ["generator closed", "closed"]


def test_the_thread_ends_when_nobody_has_it_any_more(recorder: Recorder) -> None:
    loop = LoopThread(recorder.close)
    assert loop.run(double(1)) == 2
    (thread,) = client_threads()
    del loop
    gc.collect()
    assert not thread.is_alive()
    assert recorder.words == ["closed"]


def test_a_forked_process_has_to_connect_itself() -> None:
    script = """
import asyncio, os
from eas.client.loop_thread import LoopThread
from eas.client.suite.errors import SuiteClosedError

loop = LoopThread(lambda: asyncio.sleep(0))
if child := os.fork():
    print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), loop.run(asyncio.sleep(0, "parent")))
else:
    try:
        loop.run(asyncio.sleep(0))
    except SuiteClosedError:
        loop.close()
        os._exit(7)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("child 7 parent\n", "")


def test_the_loop_does_not_wait_for_itself(loop: LoopThread) -> None:
    async def call_back() -> None:
        loop.run(double(1))

    with pytest.raises(RuntimeError, match="own event loop"):
        loop.run(call_back())
