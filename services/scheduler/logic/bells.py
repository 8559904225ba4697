"""Wakes those who wait for work: long polls by task type, and the scheduler's own background loops."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field

from services.scheduler.domain.changes import Changes
from services.scheduler.domain.job_document import FLOW_TYPES


@dataclass(eq=False)
class Waiter:
    """One long poll. Its event is set when work of one of its types may be there."""

    types: Set[str]
    event: asyncio.Event = field(default_factory=asyncio.Event)


class Bells:
    """Rung after a commit. A bell that nobody hears is harmless: those who wait also look by themselves."""

    def __init__(self) -> None:
        self.expansion = asyncio.Event()
        self.outbox = asyncio.Event()
        self._waiters: dict[Waiter, None] = {}
        self._job_waiters: dict[int, set[asyncio.Event]] = {}

    @contextmanager
    def waiting(self, types: Iterable[str]) -> Iterator[Waiter]:
        """Register a waiter from before it first looks, so that no bell is missed in between."""
        waiter = Waiter(frozenset(types))
        self._waiters[waiter] = None
        try:
            yield waiter
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

    def wake_claims(self) -> None:
        """Let every long poll look again, because a worker is gone: its own has nobody left to answer to."""
        for waiter in self._waiters:
            waiter.event.set()

    def ring(self, changes: Changes) -> None:
        """Wake whoever the committed changes concern."""
        queued = {name for name, count in changes.queued.items() if count > 0}
        if queued & FLOW_TYPES:
            self.expansion.set()
        for job_id in changes.finished_jobs:
            for event in self._job_waiters.get(job_id, ()):
                event.set()
        if changes.messages:
            self.outbox.set()
        if queued:
            for waiter in self._waiters:
                if not queued.isdisjoint(waiter.types):
                    waiter.event.set()
