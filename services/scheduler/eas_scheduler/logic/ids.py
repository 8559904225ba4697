"""Sees that no id is given twice, after the scheduler or another service was restored to an earlier moment.

Before a scheduler gives its first id, it asks the other services for the highest ids that they have seen, and tells
the product store the highest version that it has heard of. So it does not matter which service was restored, or how.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol, TypeVar

from eas.contracts.errors import EasError
from eas.contracts.ids import IdAnswer, IdNotice, KnownIds
from eas.id_gate import IdGate
from eas_scheduler.domain.ids import Resumption, find_resumption
from eas_scheduler.logic.ports import Transactor, UnitOfWork

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: How often the other services are asked for while ids wait, and how often it is looked whether the store is new [s].
_ASK_AGAIN_S = 0.2
_LOOK_AGAIN_S = 2.0
CLOSED = (
    "the scheduler has started and compares its ids with those of the other services before it gives any; "
    "see that they run, then try again"
)


class ProductIds(Protocol):
    """The product store, as far as ids are concerned."""

    async def find_instance(self) -> str:
        """Tell which process answers. Raises the store's errors."""

    async def compare_ids(self, notice: IdNotice) -> IdAnswer:
        """Tell the store which versions are known, and hear which ids are. Raises the store's errors."""


class LogIds(Protocol):
    """The log service, as far as ids are concerned."""

    async def find_known_ids(self) -> KnownIds:
        """Find the highest ids of which there are records. Raises the service's errors."""


class IdComparison:
    """Compares ids with the other services, at the start and whenever the product store has started again.

    Parameters
    ----------
    transactor
        Runs commands whatever the gate says.
    gate
        Holds all other commands back.
    store, logs
        The other services; `logs` is None where nobody has said where the log service is.
    raise_next_job
        Lets job ids go on with at least this one, where the database gives them. Blocks.
    remove_mark
        Removes the mark of a restored database. Blocks.
    leads
        Tells whether this scheduler leads.
    patience
        How long to wait for the other services where the database is not marked as restored [s].
    """

    def __init__(
        self,
        transactor: Transactor,
        gate: IdGate,
        store: ProductIds,
        logs: LogIds | None,
        *,
        raise_next_job: Callable[[int], None],
        remove_mark: Callable[[], None],
        leads: Callable[[], bool],
        patience: float,
    ) -> None:
        self._transactor = transactor
        self._gate = gate
        self._store = store
        self._logs = logs
        self._raise_next_job = raise_next_job
        self._remove_mark = remove_mark
        self._leads = leads
        self._patience = patience
        self._marked = False
        self._instance: str | None = None
        self._logs_answered = logs is None

    def start(self, *, marked: bool) -> None:
        """Decide whether there is anything to wait for.

        Parameters
        ----------
        marked
            Whether the database was restored, and its ids were not compared since.
        """
        self._marked = marked
        if not marked and not self._patience:
            self._gate.open()

    async def run(self) -> None:
        """Compare for ever."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience
        said = ""
        while True:
            try:
                await self._look()
            except EasError as error:
                self._gate.reason = f"{CLOSED}: {error.message}"
                if not self._gate.is_open and said != error.message and loop.time() > until:
                    said = error.message
                    logger.warning("%s", self._gate.reason)
                if not self._gate.is_open and not self._marked and loop.time() > until:
                    logger.warning("ids are given without it: the database is not marked as restored")
                    self._gate.open()
            await asyncio.sleep(_LOOK_AGAIN_S if self._gate.is_open else _ASK_AGAIN_S)

    async def _look(self) -> None:
        """Compare if that was not done since this scheduler, or the product store, started.

        Any scheduler does the first; the second is for the one that leads.
        """
        if self._instance is None:
            await self._compare()
        elif not self._logs_answered and self._logs is not None:
            await self._logs.find_known_ids()  # what is away costs no more than this question
            await self._compare()
        elif self._leads() and await self._store.find_instance() != self._instance:
            await self._compare()

    async def _compare(self) -> None:
        version = await self._transactor.run(lambda unit: unit.ids.find_highest_version())
        answer = await self._store.compare_ids(IdNotice(version=version))
        elsewhere = KnownIds(job=answer.job, task=answer.task, attempt=answer.attempt)
        if self._logs is not None:
            try:
                elsewhere = elsewhere.combine(await self._logs.find_known_ids())
                self._logs_answered = True
            except EasError:
                if not self._gate.is_open:
                    raise  # until the patience is over, or for as long as it takes after a restore
        # Asked last: what another scheduler on this database has committed meanwhile is known here, too.
        resumption = await self._transactor.run(lambda unit: _find_resumption(unit, elsewhere, marked=self._marked))
        if resumption is not None:
            await self._resume(resumption, version)
        if self._marked:
            await asyncio.to_thread(self._remove_mark)
            self._marked = False
        self._instance = answer.instance
        self._gate.open()

    async def _resume(self, resumption: Resumption, version: int) -> None:
        # The store first: a plan that it hears afterwards may have the name of a lost task's product.
        await self._store.compare_ids(IdNotice(version=version, lost_tasks=resumption.lost_tasks))
        await asyncio.to_thread(self._raise_next_job, resumption.next_job)
        queued = await self._transactor.run(lambda unit: unit.ids.resume(resumption))
        logger.warning(
            "the database is of an earlier moment than those of the other services, or was restored: ids go on with "
            "job %d, task %d and attempt %d; %d queued attempts have new ids. `eas db check` lists what is unknown",
            resumption.next_job,
            resumption.next_task,
            resumption.next_attempt,
            queued,
        )


def _find_resumption(unit: UnitOfWork, elsewhere: KnownIds, *, marked: bool) -> Resumption | None:
    return find_resumption(unit.ids.find_own(), unit.ids.find_reserved(), elsewhere, marked=marked)


class GatedTransactor:
    """Runs commands once ids may be given.

    Parameters
    ----------
    transactor
        Of the scheduler.
    gate
        Says when.
    seconds
        The longest wait [s]; None for no limit.
    """

    def __init__(self, transactor: Transactor, gate: IdGate, seconds: float | None) -> None:
        self._transactor = transactor
        self._gate = gate
        self._seconds = seconds

    async def run(self, command: Callable[[UnitOfWork], T]) -> T:
        """Run `command`. Raises UnavailableError where ids may still not be given."""
        if not self._gate.is_open:
            await self._gate.wait(self._seconds)
        return await self._transactor.run(command)
