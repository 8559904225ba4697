"""Sees that no version id is given twice, after this service or the scheduler was restored to an earlier moment."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from secrets import token_hex

from eas.contracts.ids import IdAnswer, IdNotice
from eas.id_gate import IdGate
from eas_product_store.logic.ports import CatalogAccess

logger = logging.getLogger(__name__)

#: So many ids are left unused behind those that are known: what nobody has reported yet may have had them.
GAP = 10_000

CLOSED = (
    "the product store has started and takes no new versions before the scheduler has said which versions it knows; "
    "see that the scheduler runs and reaches this product store, then try again"
)


class IdComparison:
    """Compares the ids of versions with those that the scheduler knows.

    While it is not known whether the scheduler names versions that are missing here, no version is made: the ids of
    missing versions would be given again, and the scheduler would take the new ones for the old ones.

    Parameters
    ----------
    catalog
        Knows the versions.
    gate
        Holds uploads back.
    raise_next_version
        Lets version ids go on with at least this one, durably. Blocks.
    remove_mark
        Removes the mark of a restored database. Blocks.
    patience
        How long to wait for the scheduler where the database is not marked as restored [s]; 0 does not wait.
    """

    def __init__(
        self,
        catalog: CatalogAccess,
        gate: IdGate,
        raise_next_version: Callable[[int], None],
        remove_mark: Callable[[], None],
        *,
        patience: float,
    ) -> None:
        self._catalog = catalog
        self._gate = gate
        self._raise_next_version = raise_next_version
        self._remove_mark = remove_mark
        self._patience = patience
        self._marked = False
        self._comparing = asyncio.Lock()
        self.instance = token_hex(8)

    async def start(self, *, marked: bool) -> None:
        """Decide whether there is anything to wait for.

        Parameters
        ----------
        marked
            Whether the database was restored, and its ids were not compared since.
        """
        self._marked = marked
        if marked:
            logger.warning("the database was restored: %s", CLOSED)
        elif not self._patience or not await self._catalog.read(lambda catalog: catalog.ids.has_plans()):
            self._gate.open()

    async def run(self) -> None:
        """Lose patience in time, where that is safe."""
        if not self._marked and not self._gate.is_open:
            await asyncio.sleep(self._patience)
            if not self._gate.is_open:
                logger.warning("no scheduler has said for %g s which versions it knows", self._patience)
                self._gate.open()
        await asyncio.Event().wait()

    async def wait(self) -> None:
        """Wait until versions may be made. Raises UnavailableError where that takes too long."""
        if not self._gate.is_open:
            await self._gate.wait(self._patience + 1)

    async def hear(self, notice: IdNotice) -> IdAnswer:
        """Hear what the scheduler knows, and say what is known of it here."""
        async with self._comparing:
            if (lost := notice.lost_tasks) is not None:
                await self._catalog.write(lambda catalog: catalog.ids.add_lost(lost))
            highest = await self._catalog.read(lambda catalog: catalog.ids.find_highest_version())
            if self._marked or notice.version > highest:
                following = max(highest, notice.version) + 1 + GAP
                await asyncio.to_thread(self._raise_next_version, following)
                logger.warning(
                    "the catalogue was restored, or is older than the scheduler's database: its newest version is %d, "
                    "the scheduler knows %d, and ids go on with %d. `eas db check` lists what is missing",
                    highest,
                    notice.version,
                    following,
                )
                await asyncio.to_thread(self._remove_mark)
                self._marked = False
            self._gate.open()
            known = await self._catalog.read(lambda catalog: catalog.ids.find_known())
        return IdAnswer(instance=self.instance, **known.model_dump())
