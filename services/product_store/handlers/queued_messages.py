"""What the scheduler tells through the broker: the twin of `plan_products` and `record_verdicts`."""

from __future__ import annotations

from typing import assert_never

from pydantic import ValidationError

from services.product_store.handlers.views import read_plan
from services.product_store.logic.planning import Planning
from services.product_store.logic.quality import QualityLedger
from shared.contracts.errors import InvalidInputError
from shared.contracts.products import PlanMessage, ProductMessage, VerdictMessage

#: Messages that are carried out at the same time.
PREFETCH = 16


class QueuedMessages:
    """Registers plans and records verdicts that come as messages."""

    def __init__(self, planning: Planning, quality: QualityLedger) -> None:
        self._planning = planning
        self._quality = quality

    async def take(self, body: bytes) -> int:
        """Carry a message out, and tell how many products or versions it changed."""
        match message := _read(body).root:
            case PlanMessage():
                return await self._planning.register(*read_plan(message.payload))
            case VerdictMessage():
                return await self._quality.record(message.payload.verdicts)
            case _:
                assert_never(message)


def _read(body: bytes) -> ProductMessage:
    try:
        return ProductMessage.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise InvalidInputError(f"not a plan and no verdicts: {problem['msg']}", where=where or None) from error
