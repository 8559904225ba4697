"""Reports on their way to the scheduler, one request at a time, each also asking for more work."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence

from eas.contracts.errors import (
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
)
from eas.contracts.scheduler import (
    AttemptReport,
    ClaimRequest,
    ClaimResponse,
    ReportRequest,
    ReportResponse,
)
from eas.contracts.states import FailureReason
from eas.isolation import describe_error, handle_each, is_passing
from eas_worker.logic.backoff import Backoff
from eas_worker.logic.ports import WorkSource
from eas_worker.logic.registration import Registration

logger = logging.getLogger(__name__)

#: The most reports in one request.
MOST = 500

#: How often a report is sent that fails by itself, and the pause before the second time, which doubles each time [s].
MOST_TRIES = 8
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0

#: What will never be taken, however often it is sent.
REFUSALS = (InvalidInputError, TooLargeError)


class ForgottenError(UnavailableError):
    """The scheduler does not know this worker."""


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
    first_pause
        Before a report that has failed by itself is sent again [s].
    """

    def __init__(
        self,
        source: WorkSource,
        registration: Registration,
        *,
        wish: Callable[[], ClaimRequest | None],
        on_settled: Callable[[int], None],
        on_claimed: Callable[[ClaimResponse], None],
        first_pause: float = FIRST_PAUSE,
    ) -> None:
        self._source = source
        self._registration = registration
        self._wish = wish
        self._on_settled = on_settled
        self._on_claimed = on_claimed
        self._reports: dict[int, AttemptReport] = {}
        self._troubled: dict[int, AttemptReport] = {}
        self._tries: Counter[int] = Counter()
        self._first_pause = first_pause
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to say now. What has failed by itself and is tried again later does not count."""
        return not self._reports

    def add(self, report: AttemptReport) -> None:
        """Send a report as soon as possible."""
        self._reports[report.attempt_id] = report
        self._empty.clear()
        self._wake.set()

    async def drained(self) -> None:
        """Wait until all reports have been sent."""
        await self._empty.wait()

    async def run(self) -> None:
        """Send reports for ever.

        A report that fails although others do not, whatever is raised, is tried again apart from the others, after
        longer and longer pauses. In the end the attempt is reported as failed in its place.
        """
        backoff = Backoff()
        while True:
            await self._wake.wait()
            self._wake.clear()
            while batch := [report for _, report in zip(range(MOST), self._reports.values(), strict=False)]:
                try:
                    await handle_each(batch, self._exchange, self._set_aside)
                except ForgottenError:
                    await self._registration.announce()
                except Exception as error:
                    if not is_passing(error):
                        raise
                    self._registration.note_absence(error)
                    await backoff.pause()
                else:
                    backoff.reset()
            self._note_empty()

    async def _exchange(self, batch: Sequence[AttemptReport]) -> None:
        request = ReportRequest(worker_id=self._registration.worker_id, reports=list(batch), claim=self._wish())
        try:
            response = await self._source.report(request)
        except NotFoundError as error:
            raise ForgottenError(error.message) from error
        except (UnauthenticatedError, ForbiddenError) as error:
            raise UnavailableError(f"the scheduler does not let this worker in: {error.message}") from error
        self._registration.note_presence()
        self._settle(response)

    async def _set_aside(self, report: AttemptReport, error: Exception) -> None:
        """A report failed by itself: try it again later, or report a failure in its place."""
        attempt_id = report.attempt_id
        self._tries[attempt_id] += 1
        if not isinstance(error, REFUSALS) and self._tries[attempt_id] < MOST_TRIES:
            words = describe_error(error)
            logger.warning("attempt %d: its report fails and is sent again later: %s", attempt_id, words)
            self._troubled[attempt_id] = self._reports.pop(attempt_id)
            pause = min(self._first_pause * 2.0 ** (self._tries[attempt_id] - 1), LONGEST_PAUSE)
            asyncio.get_running_loop().call_later(pause, self._try_again, attempt_id)
            return
        logger.error("attempt %d: its report was refused: %s", attempt_id, describe_error(error))
        await self._send_apology(report, error)

    def _try_again(self, attempt_id: int) -> None:
        self.add(self._troubled.pop(attempt_id))

    async def _send_apology(self, report: AttemptReport, error: Exception) -> None:
        """Say that an attempt failed because its report cannot be taken, for its task must not hang."""
        words = f"the scheduler refused the report of the {report.state} attempt: {describe_error(error)}"
        failed = AttemptReport(
            attempt_id=report.attempt_id,
            lease_token=report.lease_token,
            state="failed",
            # What the task gave is refused, and would be again; what is wrong otherwise may be right another time.
            reason=FailureReason.SCIENCE if isinstance(error, REFUSALS) else FailureReason.INFRASTRUCTURE,
            message=words,
        )
        try:
            await self._exchange([failed])
        except Exception as final:
            if is_passing(final):
                raise
            logger.exception("attempt %d: given up, its lease will run out", report.attempt_id)
            self._let_go(report.attempt_id)

    def _settle(self, response: ReportResponse) -> None:
        for result in response.results:
            if not result.recorded:
                logger.warning("attempt %d: its report was not recorded: %s", result.attempt_id, result.message)
            self._let_go(result.attempt_id)
        if response.claimed is not None:
            self._on_claimed(response.claimed)

    def _let_go(self, attempt_id: int) -> None:
        """Nothing more is to be said of an attempt."""
        self._reports.pop(attempt_id, None)
        self._tries.pop(attempt_id, None)
        self._on_settled(attempt_id)

    def _note_empty(self) -> None:
        if not self._reports and not self._troubled:
            self._empty.set()
