"""What the scheduler tells through the broker: the twin of `plan_products` and `record_verdicts`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, assert_never

from pydantic import ValidationError

from eas.contracts.errors import InvalidInputError
from eas.contracts.products import PlanMessage, PlanRequest, ProductMessage, VerdictMessage, VerdictRequest
from eas.isolation import describe_error, handle_each
from eas_product_store.handlers.views import read_plan
from eas_product_store.logic.planning import Planning
from eas_product_store.logic.quality import QualityLedger

#: Messages that are carried out at the same time.
PREFETCH = 16

#: How many faults of a message are told.
MOST_TOLD = 5


class QueuedMessages:
    """Registers plans and records verdicts that come as messages.

    A product or a verdict that cannot be taken does not take the others of its message with it.
    """

    def __init__(self, planning: Planning, quality: QualityLedger) -> None:
        self._planning = planning
        self._quality = quality

    async def take(self, body: bytes) -> int:
        """Carry a message out, and tell how many products or versions it changed.

        Raises
        ------
        EasError
            Nothing of it can be taken.
        InvalidInputError
            Some of it cannot be taken; the rest was.
        """
        messages, faults = read_message(body)
        if len(messages) == 1 and not faults:
            return await self._carry_out(messages)
        changed = 0
        total = len(messages) + len(faults)

        async def take_some(part: Sequence[ProductMessage]) -> None:
            nonlocal changed
            changed += await self._carry_out(part)

        async def note(message: ProductMessage, error: Exception) -> None:
            faults.append(f"{_describe(message)}: {describe_error(error)}")

        await handle_each(messages, take_some, note)
        if faults:
            raise InvalidInputError(f"{len(faults)} of {total} parts cannot be taken: {'; '.join(faults[:MOST_TOLD])}")
        return changed

    async def _carry_out(self, parts: Sequence[ProductMessage]) -> int:
        match first := parts[0].root:
            case PlanMessage():
                products = [product for one in parts for product in one.root.payload.products]  # type: ignore[union-attr]
                return await self._planning.register(*read_plan(PlanRequest(products=products)))
            case VerdictMessage():
                verdicts = [verdict for one in parts for verdict in one.root.payload.verdicts]  # type: ignore[union-attr]
                return await self._quality.record(verdicts)
            case _:
                assert_never(first)


def read_message(body: bytes) -> tuple[list[ProductMessage], list[str]]:
    """Read a message as one of each product or verdict. Returns them, and what is wrong with the others.

    Raises
    ------
    InvalidInputError
        It is not a plan and no verdicts.
    """
    try:
        return _split(ProductMessage.model_validate_json(body)), []
    except ValidationError as error:
        whole = error
    messages: list[ProductMessage] = []
    faults: list[str] = []
    for part in _split_json(body, whole):
        try:
            messages.append(ProductMessage.model_validate(part))
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            faults.append(f"{problem['msg']} (at {'.'.join(str(one) for one in problem['loc'])})")
    if not messages:
        raise _refuse(whole) from whole
    return messages, faults


def _split(message: ProductMessage) -> list[ProductMessage]:
    match found := message.root:
        case PlanMessage():
            return [
                ProductMessage(PlanMessage(payload=PlanRequest(products=[product])))
                for product in found.payload.products
            ]
        case VerdictMessage():
            return [
                ProductMessage(VerdictMessage(payload=VerdictRequest(verdicts=[verdict])))
                for verdict in found.payload.verdicts
            ]
        case _:
            assert_never(found)


def _split_json(body: bytes, whole: ValidationError) -> list[dict[str, Any]]:
    """Make a document of each part of a document that is no message as a whole."""
    try:
        document = json.loads(body)
        kind, payload = document["kind"], document["payload"]
        (key,) = payload
        return [{"kind": kind, "payload": {key: [part]}} for part in payload[key]]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise _refuse(whole) from whole


def _describe(message: ProductMessage) -> str:
    match found := message.root:
        case PlanMessage():
            (product,) = found.payload.products
            return f"product {product.filename!r} in directory {product.directory!r}"
        case VerdictMessage():
            (verdict,) = found.payload.verdicts
            return f"the verdict on attempt {verdict.attempt_id}"
        case _:
            assert_never(found)


def _refuse(error: ValidationError) -> InvalidInputError:
    problem = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    return InvalidInputError(f"not a plan and no verdicts: {problem['msg']}", where=where or None)
