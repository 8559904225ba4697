"""Making records findable by text, after they were stored: taking them in waits for no index."""

from __future__ import annotations

import asyncio
import logging

from eas.background import cancel_and_wait, keep_running
from eas.isolation import is_passing
from eas_logging.logic.arrivals import Arrivals
from eas_logging.logic.ports import Records

logger = logging.getLogger(__name__)

#: How many records are indexed in one transaction: large ones are cheaper, and make what is taken in meanwhile wait.
STEP = 10_000

#: How long to let records gather, where nobody searches [s].
GATHERING = 0.5


class TextIndexing:
    """Keeps the text index up to date in the background, and at once for those who search.

    How far the index has come is stored with it, so a service that was killed goes on where it was.
    """

    def __init__(self, records: Records, arrivals: Arrivals) -> None:
        self._records = records
        self._arrivals = arrivals
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to index in the background."""
        self._task = asyncio.create_task(keep_running("text indexing", self._run), name="text-indexing")

    async def stop(self) -> None:
        """Stop; the rest is indexed after the next start."""
        if self._task is not None:
            await cancel_and_wait([self._task])
            self._task = None

    async def catch_up(self) -> None:
        """Index all that was stored before this call."""
        async with self._turn:
            step = STEP
            while True:
                try:
                    if await self._records.index_some(step) < step:
                        return
                    step = min(2 * step, STEP)
                except Exception as error:
                    if is_passing(error):
                        raise
                    if step > 1:
                        step = max(step // 10, 1)
                        continue
                    record_id = await self._records.pass_over()
                    logger.exception("record %d cannot be indexed: no search for its words finds it", record_id)

    async def _run(self) -> None:
        with self._arrivals.listening() as arrived:
            while True:
                await self.catch_up()
                await arrived.wait()
                await asyncio.sleep(GATHERING)
                arrived.clear()
