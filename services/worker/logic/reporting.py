"""Reports on their way to the scheduler, one request at a time, each also asking for more work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from pydantic import ValidationError

from services.worker.logic.backoff import Backoff
from services.worker.logic.ports import WorkSource
from services.worker.logic.registration import Registration
from shared.contracts.errors import EasError, InvalidInputError, NotFoundError, TooLargeError
from shared.contracts.scheduler import (
    AttemptReport,
    ClaimRequest,
    ClaimResponse,
    ReportRequest,
    ReportResponse,
)
from shared.contracts.states import FailureReason

logger = logging.getLogger(__name__)

#: The most reports in one request.
MOST = 500


class Reporter:
    """Sends reports until the scheduler has them. What comes in while a request is under way goes with the next.

    Parameters
    ----------
    source
        The scheduler.
    registration
        To be renewed where the scheduler has forgotten this worker.
    wish
        What to claim along with the reports; None: nothing.
    on_settled
        Called with the id of every attempt that needs no further word.
    on_claimed
        Called with what was claimed.
    """

    def __init__(
        self,
        source: WorkSource,
        registration: Registration,
        *,
        wish: Callable[[], ClaimRequest | None],
        on_settled: Callable[[int], None],
        on_claimed: Callable[[ClaimResponse], None],
    ) -> None:
        self._source = source
        self._registration = registration
        self._wish = wish
        self._on_settled = on_settled
        self._on_claimed = on_claimed
        self._reports: list[AttemptReport] = []
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to say."""
        return self._empty.is_set()

    def add(self, report: AttemptReport) -> None:
        """Send a report as soon as possible."""
        self._reports.append(report)
        self._empty.clear()
        self._wake.set()

    async def drained(self) -> None:
        """Wait until all reports have been sent."""
        await self._empty.wait()

    async def run(self) -> None:
        """Send reports for ever."""
        backoff = Backoff()
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._reports:
                batch = self._reports[:MOST]
                try:
                    await self._send(batch)
                except NotFoundError:
                    await self._registration.announce()
                except (EasError, ValidationError) as error:
                    self._registration.note_absence(error)
                    await backoff.pause()
                else:
                    del self._reports[: len(batch)]
                    backoff.reset()
            self._empty.set()

    async def _send(self, batch: list[AttemptReport]) -> None:
        try:
            await self._exchange(batch)
        except (InvalidInputError, TooLargeError):
            if len(batch) == 1:
                await self._send_apology(batch[0])
            for report in batch if len(batch) > 1 else []:
                await self._send([report])

    async def _send_apology(self, report: AttemptReport) -> None:
        """The scheduler refuses a report as invalid: say so in its place, for the task must not hang."""
        try:
            await self._exchange([report])
        except (InvalidInputError, TooLargeError) as error:
            logger.error("attempt %d: its report was refused: %s", report.attempt_id, error)
            message = f"the scheduler refused the report of the {report.state} attempt: {error}"[:4096]
            failed = AttemptReport(
                attempt_id=report.attempt_id,
                lease_token=report.lease_token,
                state="failed",
                reason=FailureReason.SCIENCE,  # it is what the task gave that is refused, and would be again
                message=message,
            )
            try:
                await self._exchange([failed])
            except (InvalidInputError, TooLargeError) as final:
                logger.error("attempt %d: given up, its lease will run out: %s", report.attempt_id, final)
                self._on_settled(report.attempt_id)

    async def _exchange(self, batch: list[AttemptReport]) -> None:
        request = ReportRequest(worker_id=self._registration.worker_id, reports=batch, claim=self._wish())
        response = await self._source.report(request)
        self._registration.note_presence()
        self._settle(response)

    def _settle(self, response: ReportResponse) -> None:
        for result in response.results:
            if not result.recorded:
                logger.warning("attempt %d: its report came too late: %s", result.attempt_id, result.message)
            self._on_settled(result.attempt_id)
        if response.claimed is not None:
            self._on_claimed(response.claimed)
