"""Dead letters at the broker: messages that no service could take in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from typing import Any

from eas.amqp.ports import DeadMessage, Queues
from eas.amqp.topology import Topology
from eas.contracts.dead_letters import DeadLetter, DeadLetterContent
from eas.contracts.errors import NotFoundError
from eas_scheduler.domain.message_parts import describe_message

_LETTER = "b"
#: The most that are looked through for one.
_MOST = 10_000


class BrokerDeadLetters:
    """`DeadLetterBox` of the broker. The id of a message is made of what it says, so equal ones have the same.

    Parameters
    ----------
    queues
        Looks into queues.
    topology
        What queues are called.
    """

    def __init__(self, queues: Queues, topology: Topology) -> None:
        self._queues = queues
        self._name = topology.dead_letter_queue

    async def select(self, limit: int) -> list[DeadLetter]:
        """List the oldest."""
        return [DeadLetter(**_describe(message)) for message in await self._list(limit)]

    async def read(self, letter_id: str) -> DeadLetterContent | None:
        """Read one; None where it is not here."""
        if not letter_id.startswith(_LETTER):
            return None
        for message in await self._list(_MOST):
            if _name(message) == letter_id:
                return DeadLetterContent(**_describe(message), content=_read(message.body))
        return None

    async def send_again(self, letter_ids: Collection[str] | None) -> int:
        """Put some, or all, back into the queues where they were."""
        return await self._take(letter_ids, again=True)

    async def discard(self, letter_ids: Collection[str] | None) -> int:
        """Remove some, or all, for good."""
        return await self._take(letter_ids, again=False)

    async def _list(self, limit: int) -> list[DeadMessage]:
        try:
            return await self._queues.list_dead(self._name, limit)
        except NotFoundError:
            return []

    async def _take(self, letter_ids: Collection[str] | None, *, again: bool) -> int:
        mine = None if letter_ids is None else {found for found in letter_ids if found.startswith(_LETTER)}
        if mine is not None and not mine:
            return 0
        try:
            wanted = (lambda _: True) if mine is None else (lambda message: _name(message) in mine)
            return await self._queues.take_dead(self._name, wanted, again=again)
        except NotFoundError:
            return 0


def _name(message: DeadMessage) -> str:
    digest = hashlib.sha256((message.queue or "").encode() + b"\0" + message.body).hexdigest()
    return f"{_LETTER}{digest[:12]}"


def _describe(message: DeadMessage) -> dict[str, Any]:
    said = _read(message.body)
    is_message = isinstance(said, dict) and isinstance(said.get("kind"), str)
    subject = describe_message(said["kind"], said.get("payload")) if is_message else f"{len(message.body)} bytes"
    return {
        "letter_id": _name(message),
        "place": "broker",
        "kind": message.queue or "?",
        "subject": subject,
        "reason": f"{message.reason or 'given up'}: the log of the service that reads the queue says why",
        "died_at": message.died_at,
    }


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "backslashreplace")
