"""Renewing leases: one request for all attempts that the worker holds, and obeying what comes back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable

from pydantic import ValidationError

from eas.contracts.errors import EasError, NotFoundError
from eas.contracts.scheduler import HeartbeatRequest
from eas_worker.logic.active_attempt import ActiveAttempt
from eas_worker.logic.ports import WorkSource
from eas_worker.logic.registration import Registration

logger = logging.getLogger(__name__)


class Heartbeat:
    """Beats for ever. Only a definite word stops an attempt: errors and silence mean carry on and try again.

    Parameters
    ----------
    source
        The scheduler.
    registration
        Says how often to beat; renewed where the scheduler has forgotten this worker.
    active_attempts
        All attempts that the worker holds.
    on_cancel
        Called with each attempt that is to be stopped and reported.
    on_closed
        Called with each attempt that is no longer this worker's.
    on_drain
        Called when the worker is to stop in good order, perhaps several times.
    pause
        Says why the worker takes nothing at present; None: it does.
    """

    def __init__(
        self,
        source: WorkSource,
        registration: Registration,
        *,
        active_attempts: Callable[[], Iterable[ActiveAttempt]],
        on_cancel: Callable[[int], None],
        on_closed: Callable[[int], None],
        on_drain: Callable[[], None] = lambda: None,
        pause: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._source = source
        self._registration = registration
        self._active_attempts = active_attempts
        self._on_cancel = on_cancel
        self._on_closed = on_closed
        self._on_drain = on_drain
        self._pause = pause
        self._news = asyncio.Event()

    def hurry(self) -> None:
        """Beat now: there is something to say."""
        self._news.set()

    async def run(self) -> None:
        """Beat for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._registration.welcome.heartbeat_seconds):
                    await self._news.wait()
            self._news.clear()
            try:
                await self.beat()
            except NotFoundError:
                await self._registration.announce()
            except (EasError, ValidationError) as error:
                self._registration.note_absence(error)

    async def beat(self) -> None:
        """Send one beat and do as the answer says."""
        held = [attempt.to_leased() for attempt in self._active_attempts()]
        request = HeartbeatRequest(
            worker_id=self._registration.worker_id,
            attempts=held,
            paused=self._pause(),
            clock_offset=self._registration.clock.offset,
        )
        response = await self._registration.timed(self._source.beat(request))
        self._registration.note_presence()
        for stop, attempt_ids in ((self._on_cancel, response.cancel), (self._on_closed, response.closed)):
            for attempt_id in attempt_ids:
                try:
                    stop(attempt_id)
                except Exception:
                    logger.exception("attempt %d cannot be stopped", attempt_id)
        if response.drain:
            self._on_drain()
