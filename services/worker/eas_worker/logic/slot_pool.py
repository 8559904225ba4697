"""The slots: which child runs what, what waits, how long it may run, and what happens when a child dies."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from eas.contracts.scheduler import TaskTypeDescription
from eas_worker.domain.assignment import Answer, CheckingNotice, Departure
from eas_worker.domain.prefetch import RunTimes, SlotLoad
from eas_worker.domain.share import Share
from eas_worker.logic.active_attempt import ActiveAttempt, Stage
from eas_worker.logic.ports import Child, ChildStarter

logger = logging.getLogger(__name__)

#: Prefetched attempts leave a slot that has been busy with one attempt for longer than this [s].
STUCK_AFTER = 1.0

#: So that an attempt that is said to be due is within what is asked for ahead [s].
DUE_MARGIN = 1e-3

#: A child that dies sooner than this after its birth is replaced only after as long a pause [s].
EARLY_DEATH = 1.0


@dataclass(eq=False, slots=True)
class Slot:
    """One place to run in: its child, None while that is being replaced, and the child's attempts, oldest first.

    A child that is doomed is being killed and gets nothing more. The alarm goes off when the first attempt has run for
    as long as it may, and it is due when that is about to end.
    """

    number: int
    child: Child | None = None
    queue: deque[ActiveAttempt] = field(default_factory=deque)
    work: float = 0.0
    busy_since: float = 0.0
    born_at: float = 0.0
    doomed: bool = False
    alarm: asyncio.TimerHandle | None = None
    due: asyncio.TimerHandle | None = None

    def load(self, now: float, run_times: RunTimes) -> SlotLoad:
        """Tell what it has to do."""
        if not self.queue:
            return SlotLoad()
        first = self.queue[0]
        steady = run_times.is_steady(first.claimed.task_type)
        return SlotLoad(len(self.queue), self.work, now - self.busy_since, first.expected, steady)

    @property
    def is_open(self) -> bool:
        """Whether its child takes attempts."""
        return self.child is not None and not self.doomed


class SlotPool:
    """Gives attempts to children and takes their answers.

    Parameters
    ----------
    child_starter
        Where children come from.
    size
        Number of slots.
    run_times
        Learns from every answer.
    on_answer
        Called with every attempt that has come to an end.
    on_loss
        Called with the attempt that a child took with it when it died.
    on_place
        Called when a new child is ready.
    on_due
        Called when a long attempt is about to end, so that there is time to bring the inputs of the next.
    on_refused
        Called with an attempt that cannot be given to a child, and why.
    on_gone
        Called with the process id of each child that has ended.
    clock
        Tells the time [s]; None: the event loop does.
    """

    def __init__(
        self,
        child_starter: ChildStarter,
        size: int,
        run_times: RunTimes,
        *,
        on_answer: Callable[[ActiveAttempt, Answer], None],
        on_loss: Callable[[ActiveAttempt, Departure], None],
        on_place: Callable[[], None],
        on_due: Callable[[], None] = lambda: None,
        on_refused: Callable[[ActiveAttempt, Exception], None],
        on_gone: Callable[[int], None] = lambda _: None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._child_starter = child_starter
        self._run_times = run_times
        self._on_answer = on_answer
        self._on_loss = on_loss
        self._on_place = on_place
        self._on_due = on_due
        self._on_refused = on_refused
        self._on_gone = on_gone
        self._slots = [Slot(number) for number in range(size)]
        self._by_pid: dict[int, Slot] = {}
        self._died_at_start: set[int] = set()
        self._ready: deque[ActiveAttempt] = deque()
        self._refills: set[asyncio.Task[None]] = set()
        self._clock = clock or asyncio.get_running_loop().time
        self._closing = False

    @property
    def ready(self) -> deque[ActiveAttempt]:
        """Attempts that no child has yet."""
        return self._ready

    async def start(self, share: Share) -> list[TaskTypeDescription]:
        """Begin to raise children, each with a share. Returns what they can run; `on_place` says when each is ready."""
        types = await self._child_starter.start(share, on_word=self._hear, on_death=self._bury)
        for slot in self._slots:
            self._start_refill(slot, 0.0)
        return types

    def loads(self) -> list[SlotLoad]:
        """Tell what the slots have to do."""
        now = self._clock()
        return [slot.load(now, self._run_times) for slot in self._slots if slot.is_open]

    def give(self, attempt: ActiveAttempt) -> None:
        """Run an attempt as soon as there is a place."""
        attempt.stage = Stage.READY
        attempt.ready_since = self._clock()
        self._ready.append(attempt)
        self.dispatch()

    def dispatch(self) -> None:
        """Hand what is ready to children: to idle ones first, then as prefetched work to those with short tasks."""
        while self._ready and (slot := self._choose(self._ready[0])) is not None:
            attempt = self._ready[0]
            assert slot.child is not None and attempt.assignment is not None  # noqa: S101, PT018 - chosen, ready
            try:
                if not slot.child.send(attempt.assignment):
                    return
            except Exception as error:  # a long one goes through a file, and the disk is full, say
                self._ready.popleft()
                self._on_refused(attempt, error)
                continue
            self._ready.popleft()
            attempt.stage = Stage.GIVEN
            attempt.child_pid = slot.child.pid
            attempt.estimate = self._run_times.estimate(attempt.claimed.task_type)
            attempt.expected = self._run_times.expect(attempt.claimed.task_type)
            slot.queue.append(attempt)
            slot.work += attempt.estimate
            if len(slot.queue) == 1:
                self._begin_first(slot)

    def stop_attempt(self, attempt: ActiveAttempt) -> bool:
        """Take an attempt out. True: it had not begun. False: its child is being killed, `on_loss` will follow."""
        if attempt.stage is Stage.READY:
            self._ready.remove(attempt)
            return True
        slot = next(slot for slot in self._slots if attempt in slot.queue)
        self._doom(slot, attempt)
        unstarted = attempt in self._ready
        if unstarted:
            self._ready.remove(attempt)
        self.dispatch()
        return unstarted

    def relieve(self) -> list[ActiveAttempt]:
        """Move prefetched attempts away from slots that are stuck. Returns those that should go to another worker."""
        now = self._clock()
        for slot in self._slots:
            if len(slot.queue) > 1 and not self._is_soon_free(slot, now):
                self._recall(slot)
        self.dispatch()
        if any(self._is_soon_free(slot, now) for slot in self._slots):
            return []
        tired = [attempt for attempt in self._ready if now - attempt.ready_since > STUCK_AFTER]
        for attempt in tired:
            self._ready.remove(attempt)
        if tired:
            for task_type in {slot.queue[0].claimed.task_type for slot in self._slots if slot.queue}:
                self._run_times.observe_delay(task_type)
        return tired

    def _is_soon_free(self, slot: Slot, now: float) -> bool:
        """Tell whether it is worth waiting for a slot: it has just begun something, or is about to end it."""
        if not slot.queue or now - slot.busy_since <= STUCK_AFTER:
            return True
        first = slot.queue[0]
        left = first.expected - (now - slot.busy_since)
        return -STUCK_AFTER <= left <= self._run_times.ahead(first.claimed.task_type) + STUCK_AFTER

    def take_unstarted(self) -> list[ActiveAttempt]:
        """Take back everything that has not begun, and give out nothing more."""
        self._closing = True
        return self.recall_unstarted()

    def recall_unstarted(self) -> list[ActiveAttempt]:
        """Take back everything that has not begun."""
        for slot in self._slots:
            self._recall(slot)
        unstarted = list(self._ready)
        self._ready.clear()
        return unstarted

    async def stop(self) -> None:
        """End all children."""
        self._closing = True
        for slot in self._slots:
            _silence(slot)
        for task in self._refills:
            task.cancel()
        await asyncio.gather(*self._refills, return_exceptions=True)
        await self._child_starter.stop()

    def _choose(self, attempt: ActiveAttempt) -> Slot | None:
        if self._closing:
            return None
        best, most = None, 0.0
        task_type, now = attempt.claimed.task_type, self._clock()
        short = self._run_times.is_short(task_type)
        for slot in self._slots:
            if not slot.is_open:
                continue
            if not slot.queue:
                return slot
            if short:
                room = self._run_times.room(slot.load(now, self._run_times), task_type)
                if room > most:
                    best, most = slot, room
        return best

    def _hear(self, child: Child) -> None:
        slot = self._by_pid.get(child.pid)
        if slot is not None:
            self._take_words(slot, child)
            self.dispatch()

    def _take_words(self, slot: Slot, child: Child) -> None:
        for word in child.receive():
            attempt = next((found for found in slot.queue if found.attempt_id == word.attempt_id), None)
            if attempt is None:
                logger.error("child %d spoke of attempt %d, which it does not have", child.pid, word.attempt_id)
            elif isinstance(word, CheckingNotice):
                attempt.stage = Stage.CHECKING
            else:
                self._leave(slot, attempt)
                self._begin_first(slot)
                self._run_times.observe(attempt.claimed.task_type, word.ended_at - word.started_at)
                self._on_answer(attempt, word)

    def _recall(self, slot: Slot) -> None:
        """Put what the slot's child has not begun back in front of what is ready."""
        if slot.child is None or not slot.queue:
            return
        by_id = {attempt.attempt_id: attempt for attempt in slot.queue}
        recalled = [by_id[attempt_id] for attempt_id in slot.child.recall() if attempt_id in by_id]
        for attempt in recalled:
            self._leave(slot, attempt)
            attempt.stage = Stage.READY
        self._ready.extendleft(reversed(recalled))

    def _leave(self, slot: Slot, attempt: ActiveAttempt) -> None:
        if attempt is slot.queue[0]:
            _silence(slot)
        slot.queue.remove(attempt)
        slot.work = slot.work - attempt.estimate if slot.queue else 0.0

    def _begin_first(self, slot: Slot) -> None:
        """The child begins the first of its attempts now."""
        slot.busy_since = self._clock()
        if slot.queue and (seconds := slot.queue[0].claimed.run_timeout) is not None:
            when = slot.busy_since + seconds
            slot.alarm = asyncio.get_running_loop().call_at(when, self._expire, slot, slot.queue[0], seconds)
        if slot.queue and slot.queue[0].expected != math.inf:
            early = slot.queue[0].expected - self._run_times.ahead(slot.queue[0].claimed.task_type)
            if early > 0:
                slot.due = asyncio.get_running_loop().call_later(early + DUE_MARGIN, self._on_due)

    def _expire(self, slot: Slot, attempt: ActiveAttempt, seconds: float) -> None:
        """An attempt has run for as long as it may."""
        if self._doom(slot, attempt):
            logger.warning("attempt %d has run for longer than %.15g s", attempt.attempt_id, seconds)
            attempt.overdue = True
            self._run_times.observe(attempt.claimed.task_type, seconds)
        self.dispatch()

    def _doom(self, slot: Slot, attempt: ActiveAttempt) -> bool:
        """Kill the child if it runs this attempt, and save what it has not begun. Tells whether it is being killed.

        The child may go on to its next attempt meanwhile. So what it has not begun is taken back first; what it has
        said by then tells whether it still runs this one.
        """
        self._recall(slot)
        if slot.child is not None and attempt in slot.queue:
            self._take_words(slot, slot.child)
        if slot.child is None or attempt not in slot.queue:
            return False
        _silence(slot)
        slot.doomed = True
        slot.child.kill()
        return True

    def _bury(self, child: Child, departure: Departure) -> None:
        """A child has ended: hear its last words, save what it had not begun, and make a new one."""
        slot = self._by_pid.pop(child.pid, None)
        self._on_gone(child.pid)
        if slot is None:
            self._died_at_start.add(child.pid)
            return
        self._take_words(slot, child)
        self._recall(slot)
        _silence(slot)
        victims = list(slot.queue)
        expected = slot.doomed or departure.is_retirement
        early = not victims and not expected and self._clock() - slot.born_at < EARLY_DEATH
        slot.child = None
        slot.doomed = False
        slot.queue.clear()
        slot.work = 0.0
        if not self._closing:
            self._start_refill(slot, EARLY_DEATH if early else 0.0)
        for attempt in victims:
            logger.warning("attempt %d: child %d %s", attempt.attempt_id, child.pid, departure)
            self._on_loss(attempt, departure)
        self.dispatch()

    def _start_refill(self, slot: Slot, pause: float) -> None:
        task = asyncio.create_task(self._refill(slot, pause))
        self._refills.add(task)
        task.add_done_callback(self._refills.discard)

    async def _refill(self, slot: Slot, pause: float) -> None:
        """Fill a slot, however often that fails."""
        while True:
            try:
                await self._fill(slot, pause)
                return
            except Exception:
                logger.exception("slot %d cannot be given a process; trying again", slot.number)
                pause = EARLY_DEATH

    async def _fill(self, slot: Slot, pause: float) -> None:
        if pause:
            logger.error("a child died right after its birth; waiting %.0f s before the next", pause)
            await asyncio.sleep(pause)
        child = await self._child_starter.start_child(slot.number)
        while child.pid in self._died_at_start:
            self._died_at_start.discard(child.pid)
            await asyncio.sleep(EARLY_DEATH)
            child = await self._child_starter.start_child(slot.number)
        slot.child = child
        slot.born_at = self._clock()
        self._by_pid[child.pid] = slot
        self.dispatch()
        self._on_place()


def _silence(slot: Slot) -> None:
    """Cancel the timers of the slot."""
    if slot.alarm is not None:
        slot.alarm.cancel()
        slot.alarm = None
    if slot.due is not None:
        slot.due.cancel()
        slot.due = None
