"""Several addresses of one service: one is used, and the next as soon as that one does not answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from eas.contracts.errors import UnavailableError

logger = logging.getLogger(__name__)

Client = TypeVar("Client")
Answer = TypeVar("Answer")


class Failover(Generic[Client]):
    """Makes calls at the address that answered last.

    When an address does not answer, the call is made again at the next one, and later calls go there, too. So calls
    have to bear repetition: the first address may have carried one out without saying so. An error that is an answer
    goes to the caller at once.

    Parameters
    ----------
    clients
        One for each address, the preferred one first.
    names
        The addresses, for messages.
    """

    def __init__(self, clients: Sequence[Client], names: Sequence[str]) -> None:
        self._clients = list(clients)
        self._names = list(names)
        self._current = 0
        self._under_way: dict[asyncio.Future[Any], int] = {}

    async def call(
        self, action: Callable[[Client], Awaitable[Answer]], *, patience: float | None = None, wait: float = 0.0
    ) -> Answer:
        """Make a call, at each address once at most.

        Parameters
        ----------
        action
            Makes the call with a client.
        patience
            How long an address may take to answer [s]. The last one that is tried may take twice as long: it is slow
            rather than away, for so were the others. None: for as long as the client waits.
        wait
            How much longer than that it may take because it was asked to wait [s]. Such a call is broken off, and made
            again, as soon as another one has found that the address does not answer.

        Raises
        ------
        UnavailableError
            No address answers. The error is that of the last one.
        EasError
            An address answered so.
        """
        left = len(self._clients)
        while True:
            index, left = self._current, left - 1
            bound = None if patience is None else wait + (patience if left else 2 * patience)
            try:
                return await self._call_one(index, action, bound)
            except UnavailableError as error:
                self._leave(index, error)
                if not left:
                    raise

    async def _call_one(self, index: int, action: Callable[[Client], Awaitable[Answer]], bound: float | None) -> Answer:
        calling: asyncio.Future[Answer] = asyncio.ensure_future(action(self._clients[index]))
        if bound is not None:
            self._under_way[calling] = index
        try:
            async with asyncio.timeout(bound):
                return await calling
        except TimeoutError:
            raise UnavailableError(f"{self._names[index]}: no answer within {bound:.3g} s") from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not calling.cancelled() or (task is not None and task.cancelling()):
                raise
            raise UnavailableError(f"{self._names[index]}: does not answer others") from None
        finally:
            self._under_way.pop(calling, None)

    def _leave(self, index: int, error: UnavailableError) -> None:
        """Go over to the next address, unless another call has done so already."""
        if index != self._current or len(self._clients) == 1:
            return
        self._current = (index + 1) % len(self._clients)
        logger.warning(
            "%s does not answer (%s); going over to %s", self._names[index], error, self._names[self._current]
        )
        for calling, at in list(self._under_way.items()):
            if at == index:
                calling.cancel()
