"""Ends attempts whose worker is not coming back, each of them whatever is wrong with the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence

from services.scheduler.domain.attempt import KnownAttempt
from services.scheduler.domain.changes import Changes
from services.scheduler.domain.policies import RetryLimits
from services.scheduler.logic.bells import Bells
from services.scheduler.logic.faulty_attempts import FaultyAttempts
from services.scheduler.logic.ports import Clock, Transactor, UnitOfWork
from services.scheduler.logic.progress import lose
from shared.contracts.errors import EasError
from shared.contracts.states import FailureReason
from shared.isolation import handle_each, is_passing

logger = logging.getLogger(__name__)


class Losses:
    """Ends attempts as lost.

    Parameters
    ----------
    transactor, bells, clock
        Of the scheduler.
    limits
        Of retries.
    """

    def __init__(self, transactor: Transactor, bells: Bells, clock: Clock, limits: RetryLimits) -> None:
        self._transactor = transactor
        self._bells = bells
        self._clock = clock
        self._limits = limits
        self._faulty = FaultyAttempts(transactor, bells, clock, limits)

    async def lose(
        self,
        find: Callable[[UnitOfWork], Sequence[KnownAttempt]],
        why: str,
        *,
        reason: FailureReason = FailureReason.LOST,
    ) -> int:
        """End attempts as lost, together; those of them that cannot be ended so fail.

        Parameters
        ----------
        find
            Finds them, within the transaction that ends them. What it raises is raised here if it is an `EasError`.
        why
            What is told of each.
        reason
            The reason of each loss.

        Returns
        -------
        How many there were.
        """
        try:
            return await self._lose(find, why, reason, None)
        except Exception as error:
            if is_passing(error) or isinstance(error, EasError):
                raise
            logger.exception("lost attempts cannot be ended together")
        attempt_ids = await self._transactor.run(lambda unit: [found.attempt_id for found in find(unit)])

        async def lose_some(part: Sequence[int]) -> None:
            await self._lose(find, why, reason, part)

        async def fail(attempt_id: int, error: Exception) -> None:
            doing = f"end the attempt as lost ({why})"
            await self._faulty.end(attempt_id, error, doing, reason=FailureReason.INFRASTRUCTURE)

        await handle_each(attempt_ids, lose_some, fail)
        return len(attempt_ids)

    async def _lose(
        self,
        find: Callable[[UnitOfWork], Sequence[KnownAttempt]],
        why: str,
        reason: FailureReason,
        only: Collection[int] | None,
    ) -> int:
        changes = Changes(self._clock())

        def command(unit: UnitOfWork) -> int:
            found = [one for one in find(unit) if only is None or one.attempt_id in only]
            lose(unit, changes, found, why, self._limits, reason=reason)
            unit.save(changes)
            return len(found)

        count = await self._transactor.run(command)
        self._bells.ring(changes)
        return count
