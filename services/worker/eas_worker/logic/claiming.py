"""Asking for work: with a long poll while a slot is idle, along with every report, and shortly before a slot is."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

from pydantic import ValidationError

from eas.contracts.errors import ConflictError, EasError, NotFoundError
from eas.contracts.scheduler import ClaimRequest, ClaimResponse
from eas_worker.domain.prefetch import RunTimes
from eas_worker.logic.active_attempt import ActiveAttempt, Stage
from eas_worker.logic.backoff import Backoff
from eas_worker.logic.ports import WorkSource
from eas_worker.logic.registration import Registration
from eas_worker.logic.slot_pool import SlotPool

#: How long the scheduler may keep an idle worker's request waiting [s].
LONG_POLL = 20.0

#: A worker of which so many attempts for each slot wait for the product store claims nothing more.
MOST_STORING = 8


class Claimer:
    """Decides what to ask for, and asks.

    Parameters
    ----------
    source
        The scheduler.
    registration
        To be renewed where the scheduler has forgotten this worker.
    slot_pool, run_times
        Say what there is room for.
    active_attempts
        All attempts that the worker holds.
    task_types
        What it can run.
    most
        The most attempts to ask for at once.
    paused
        Tells whether the worker may take nothing at present.
    on_claimed
        Called with what was claimed.
    """

    def __init__(
        self,
        source: WorkSource,
        registration: Registration,
        slot_pool: SlotPool,
        run_times: RunTimes,
        *,
        active_attempts: Callable[[], Iterable[ActiveAttempt]],
        task_types: Iterable[str],
        most: int,
        on_claimed: Callable[[ClaimResponse], None],
        paused: Callable[[], bool] = lambda: False,
    ) -> None:
        self._source = source
        self._registration = registration
        self._slot_pool = slot_pool
        self._run_times = run_times
        self._active_attempts = active_attempts
        self._task_types = tuple(task_types)
        self._most = most
        self._on_claimed = on_claimed
        self._paused = paused
        self._asked = 0
        self._hungry = asyncio.Event()
        self._hungry.set()
        self._ahead = False
        self._stopped = False

    def wake(self) -> None:
        """There may be an idle slot."""
        self._hungry.set()

    def ask_ahead(self) -> None:
        """Ask once, without waiting, although no slot is idle: one will be soon."""
        self._ahead = True
        self._hungry.set()

    def stop(self) -> None:
        """Ask for nothing more."""
        self._stopped = True

    def wish(self, wait: float = 0.0) -> ClaimRequest | None:
        """Make the request for what there is room for; None if there is none."""
        waiting = self._waiting()
        if self._stopped or (wait and self._idle(waiting) <= 0):
            return None
        return self._make_request(waiting, wait)

    def _make_request(self, waiting: Counter[str], wait: float = 0.0) -> ClaimRequest | None:
        if self._paused():
            return None
        loads = self._slot_pool.loads()
        if sum(attempt.stage is Stage.STORING for attempt in self._active_attempts()) >= MOST_STORING * max(
            len(loads), 1
        ):
            return None
        demand = self._run_times.choose_demand(self._task_types, loads, waiting, self._most)
        if demand.total <= 0:
            return None
        return ClaimRequest(
            worker_id=self._registration.worker_id,
            per_type=demand.per_type,
            total=min(demand.total, 1000),
            share_room=True,
            wait=wait,
        )

    async def run(self, is_reporting: Callable[[], bool]) -> None:
        """Ask for ever, while a slot is idle, or soon will be, and no report is about to ask."""
        backoff = Backoff()
        while True:
            await self._hungry.wait()
            self._hungry.clear()
            while not is_reporting() and (request := self._next_request()) is not None:
                self._asked = self._idle(self._waiting())
                try:
                    response = await self._source.claim(request)
                except (NotFoundError, ConflictError):
                    await self._registration.announce()
                except (EasError, ValidationError) as error:
                    self._registration.note_absence(error)
                    await backoff.pause()
                else:
                    self._registration.note_presence()
                    backoff.reset()
                    self._asked = 0
                    self._on_claimed(response)
                finally:
                    self._asked = 0

    def has(self, attempt_id: int) -> bool:
        """Tell whether this worker has claimed an attempt and still holds it."""
        return any(attempt.attempt_id == attempt_id for attempt in self._active_attempts())

    def count_room(self) -> int:
        """Count the slots that have nothing to do, whatever a long poll may bring."""
        unstarted = self._count_unstarted()
        if self._stopped or self._make_request(unstarted) is None:
            return 0
        return self._idle(unstarted)

    async def ask_now(self) -> bool:
        """Ask once, without waiting, because work was heard of. Returns whether there was room to ask for any.

        A long poll that waits meanwhile may bring work as well: what is too much then is handed back.

        Raises
        ------
        EasError
            There was no answer.
        """
        request = None if self.count_room() <= 0 else self._make_request(self._count_unstarted())
        if request is None:
            return False
        try:
            response = await self._source.claim(request)
        except (NotFoundError, ConflictError):
            await self._registration.announce()
            return False
        self._on_claimed(response)
        return True

    def _next_request(self) -> ClaimRequest | None:
        ahead, self._ahead = self._ahead, False
        return self.wish(LONG_POLL) or (self.wish() if ahead else None)

    def _count_unstarted(self) -> Counter[str]:
        """Count the attempts that are held and have not begun, by task type."""
        return Counter(
            attempt.claimed.task_type
            for attempt in self._active_attempts()
            if attempt.stage in (Stage.FETCHING, Stage.READY)
        )

    def _waiting(self) -> Counter[str]:
        """Count these, and as many as were asked for."""
        waiting = self._count_unstarted()
        if self._asked:
            waiting[""] = self._asked
        return waiting

    def _idle(self, waiting: Counter[str]) -> int:
        idle = sum(not load.count for load in self._slot_pool.loads())
        return idle - sum(waiting.values())
