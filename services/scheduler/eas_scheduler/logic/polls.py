"""Long polls that are answered from the very transaction that makes their work.

A submission, or a report that makes a task ready, hands the new attempt to a worker that is waiting, before it commits.
So an idle suite starts a task after one commit instead of two.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import TypeVar

from eas.contracts.scheduler import ClaimedAttempt, ClaimRequest
from eas.isolation import is_passing
from eas_scheduler.logic.assignment import DispatchRules, assign_queued
from eas_scheduler.logic.ports import UnitOfWork

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Poll:
    """One worker that waits for work.

    It lives on the event loop, but is answered from the thread that commits: `_open` says, under the lock, whether it
    may still be, and `_taken` that it is being.
    """

    request: ClaimRequest
    wakeup: asyncio.Event
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    attempts: list[ClaimedAttempt] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: bool = False
    _taken: bool = False

    def open(self) -> None:
        """Begin to wait."""
        with self._lock:
            self._open = True

    def close(self) -> bool:
        """Stop waiting. Returns whether an answer is there or on its way: `answered` will be set."""
        with self._lock:
            self._open = False
            return self._taken

    def take(self) -> bool:
        """Reserve it for one transaction. False if it no longer waits, or another transaction was faster."""
        with self._lock:
            if not self._open or self._taken:
                return False
            self._taken = True
            return True

    def release(self) -> None:
        """Undo `take`: the transaction had nothing for it."""
        with self._lock:
            self._taken = False


class Delivery:
    """What one transaction hands to polls. It is delivered after the commit, or abandoned with the transaction.

    Parameters
    ----------
    polls
        Those who wait; None: nobody is served.
    """

    def __init__(self, polls: Polls | None) -> None:
        self._polls = polls
        self.has_served = False
        self._served: list[tuple[Poll, list[ClaimedAttempt]]] = []

    def serve(self, unit: UnitOfWork) -> None:
        """Hand new attempts to those who wait for them, within the transaction."""
        if self._polls is None:
            return
        rules = self._polls.rules
        for poll in self._polls.waiting():
            if not any(unit.changes.queued[name] > 0 for name in poll.request.per_type):
                continue
            if not poll.take():
                continue
            self.has_served = True
            self._served.append((poll, []))
            self._served[-1] = (poll, assign_queued(unit, poll.request, rules))
            if not self._served[-1][1]:
                self._served.pop()
                poll.release()

    def __enter__(self) -> None:
        """Begin the transaction."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the attempts to their polls after the commit; after a rollback, let the polls look for themselves."""
        for poll, attempts in self._served:
            if error is None:
                poll.attempts = attempts
            else:
                poll.release()
            poll.answered.set()
            poll.wakeup.set()


class Polls:
    """All long polls.

    Parameters
    ----------
    rules
        How leases are given.
    """

    def __init__(self, rules: DispatchRules) -> None:
        self.rules = rules
        self._waiting: dict[Poll, None] = {}
        self._passing: set[asyncio.Task[None]] = set()

    def waiting(self) -> list[Poll]:
        """List the polls, those that have waited longest first."""
        return list(self._waiting)

    async def serve_during(self, run: Callable[[Delivery], Awaitable[T]]) -> T:
        """Run what commits a transaction, which may hand new attempts to those who wait.

        If it fails after it has begun to hand out, it is run once more without: an attempt that cannot be handed out
        must not undo what somebody else has asked for. The waiters then query by themselves.

        Parameters
        ----------
        run
            Runs the transaction. Called a second time, it begins anew.
        """
        delivery = Delivery(self)
        try:
            with delivery:
                return await run(delivery)
        except Exception as error:
            if is_passing(error) or not delivery.has_served:
                raise
            logger.exception("new attempts cannot be assigned where they were made; waiting workers will claim them")
        return await run(Delivery(None))

    async def wait(
        self,
        request: ClaimRequest,
        wakeup: asyncio.Event,
        seconds: float,
        orphaned: Callable[[list[ClaimedAttempt]], None],
    ) -> list[ClaimedAttempt]:
        """Wait to be answered, or for a wake-up, or until the time is over.

        Parameters
        ----------
        request
            What is wanted.
        wakeup
            Rung when it is worth looking, and when there is an answer.
        seconds
            The most to wait [s].
        orphaned
            Called with attempts that were handed to this poll when its caller had gone.
        """
        poll = Poll(request, wakeup)
        self._waiting[poll] = None
        poll.open()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await wakeup.wait()
            if poll.close():
                await poll.answered.wait()
            return poll.attempts
        except asyncio.CancelledError:
            if poll.close():
                self._find_orphans(poll, orphaned)
            raise
        finally:
            self._waiting.pop(poll, None)

    def _find_orphans(self, poll: Poll, orphaned: Callable[[list[ClaimedAttempt]], None]) -> None:
        async def pass_on() -> None:
            await poll.answered.wait()
            if poll.attempts:
                orphaned(poll.attempts)

        task = asyncio.get_running_loop().create_task(pass_on())
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)
