"""Answers doorbells: asks the scheduler for work, and tells the broker afterwards that the doorbell was heard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from eas.contracts.errors import EasError
from eas_worker.logic.backoff import Backoff
from eas_worker.logic.claiming import Claimer
from eas_worker.logic.ports import DoorbellSource

logger = logging.getLogger(__name__)

#: How often to tell the broker for how many tasks there is room [s].
_TELL_EVERY_S = 0.1


class Doorbells:
    """Turns doorbells into claims.

    Claim, then acknowledge, then work: a doorbell is acknowledged once the scheduler has answered, whatever it said;
    the lease in its database owns the work from then on. While it does not answer, doorbells stay with the broker.

    Parameters
    ----------
    source
        Where doorbells come from.
    claimer
        Asks for work.
    room
        Tells how many slots are free.
    """

    def __init__(self, source: DoorbellSource, claimer: Claimer, room: Callable[[], int]) -> None:
        self._source = source
        self._claimer = claimer
        self._room = room
        self._rung = asyncio.Event()
        self._answers: list[asyncio.Future[bool]] = []

    async def run(self, task_types: list[str]) -> None:
        """Answer for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._answer())
            group.create_task(self._tell_room())
            await self._source.listen(task_types, self.hear)

    async def hear(self, attempt_id: int) -> bool:
        """Hear one doorbell. Returns whether the scheduler was asked since: then it is done with."""
        if self._claimer.has(attempt_id):
            return True
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        self._rung.set()
        return await answer

    async def _answer(self) -> None:
        backoff = Backoff()
        while True:
            await self._rung.wait()
            self._rung.clear()
            heard, self._answers = self._answers, []
            try:
                asked = await self._claimer.ask_now()
                backoff.reset()
            except Exception as error:
                logger.info("a doorbell goes back: %s", error, exc_info=None if isinstance(error, EasError) else error)
                asked = False
                await backoff.pause()
            for answer in heard:
                if not answer.done():
                    answer.set_result(asked)

    async def _tell_room(self) -> None:
        told = -1
        while True:
            room = max(self._room(), 0)
            if room != told:
                await self._source.set_room(room)
                told = room
            await asyncio.sleep(_TELL_EVERY_S)
