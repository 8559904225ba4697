"""Wakes long polls, by task type, and the scheduler's own background loops."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, field

from eas_scheduler.domain.changes import Changes
from eas_scheduler.domain.job_language.flow_types import FLOW_TYPES


@dataclass(eq=False)
class Waiter:
    """One long poll. Its event is set when work of one of its types may be there."""

    types: Set[str]
    event: asyncio.Event = field(default_factory=asyncio.Event)


class Wakeups:
    """Events that are set after a commit. A wake-up that is lost does no harm: each waiter also polls."""

    def __init__(self) -> None:
        self.expansion = asyncio.Event()
        self.outbox = asyncio.Event()
        self.timers = asyncio.Event()
        self.reuse = asyncio.Event()
        self.doorbells = asyncio.Event()
        self._waiters: dict[Waiter, None] = {}
        self._job_waiters: dict[int, set[asyncio.Event]] = {}
        self._followers: set[asyncio.Event] = set()
        #: How many changes of state have woken waiters.
        self.changes = 0

    @contextmanager
    def waiting(self, types: Iterable[str]) -> Iterator[Waiter]:
        """Register a waiter before its first query, so that no wake-up is lost in between."""
        waiter = Waiter(frozenset(types))
        self._waiters[waiter] = None
        try:
            yield waiter
        except BaseException:
            # It was woken for work that it will not take: wake another waiter.
            self._waiters.pop(waiter, None)
            if waiter.event.is_set():
                self._wake_as_many(dict.fromkeys(waiter.types, 1))
            raise
        finally:
            self._waiters.pop(waiter, None)

    @contextmanager
    def waiting_for_job(self, job_id: int) -> Iterator[asyncio.Event]:
        """Register for the end of a job."""
        event = asyncio.Event()
        self._job_waiters.setdefault(job_id, set()).add(event)
        try:
            yield event
        finally:
            waiters = self._job_waiters[job_id]
            waiters.discard(event)
            if not waiters:
                del self._job_waiters[job_id]

    @contextmanager
    def waiting_for_changes(self) -> Iterator[asyncio.Event]:
        """Register for every change of state."""
        event = asyncio.Event()
        self._followers.add(event)
        try:
            yield event
        finally:
            self._followers.discard(event)

    @property
    def followers(self) -> int:
        """How many have registered for every change."""
        return len(self._followers)

    def wake_claims(self) -> None:
        """Wake every long poll, so that those of a worker that is gone end."""
        for waiter in self._waiters:
            waiter.event.set()

    def _wake_as_many(self, queued: Mapping[str, int]) -> None:
        """Wake as many long polls as there are new attempts, those that have waited longest first."""
        left = {name: count for name, count in queued.items() if count > 0}
        for waiter in self._waiters:
            name = next((name for name in left if name in waiter.types), None)
            if name is not None and not waiter.event.is_set():
                waiter.event.set()
                left[name] -= 1
                if not left[name]:
                    del left[name]
            if not left:
                return

    def wake_all(self) -> None:
        """Wake every waiter, because another scheduler may have written."""
        for event in (self.expansion, self.outbox, self.timers, self.reuse, *self._followers):
            event.set()
        for waiters in self._job_waiters.values():
            for event in waiters:
                event.set()
        self.wake_claims()

    def wake(self, changes: Changes) -> None:
        """Wake the waiters that the committed changes concern."""
        self.changes += len(changes.transitions)
        queued = {name for name, count in changes.queued.items() if count > 0}
        if queued & FLOW_TYPES:
            self.expansion.set()
        for job_id in changes.finished_jobs:
            for event in self._job_waiters.get(job_id, ()):
                event.set()
        if changes.undecided:
            self.reuse.set()
        if changes.timed:
            self.timers.set()
        if changes.messages:
            self.outbox.set()
        if changes.transitions:
            for event in self._followers:
                event.set()
        if queued:
            self.doorbells.set()
            self._wake_as_many(changes.queued)
