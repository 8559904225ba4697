"""Messages for the product store taken apart and put together: one of many products or verdicts may be at fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eas_scheduler.domain.changes import MessageKind, OutboxMessage

#: Under which key a message's parts are.
_KEYS: Mapping[MessageKind, str] = {"plan": "products", "verdicts": "verdicts"}


def split_message(message: OutboxMessage) -> list[OutboxMessage]:
    """Make a message for each product or verdict of one; a message that has no such parts stays whole."""
    key = _KEYS.get(message.kind)
    parts = message.payload.get(key) if key is not None else None
    if key is None or not isinstance(parts, list) or not parts:
        return [message]
    return [OutboxMessage(message.kind, {**message.payload, key: [part]}) for part in parts]


def join_messages(messages: Sequence[OutboxMessage]) -> OutboxMessage:
    """Put parts of one message together again."""
    if len(messages) == 1:
        return messages[0]
    first = messages[0]
    key = _KEYS[first.kind]
    return OutboxMessage(first.kind, {**first.payload, key: [part for one in messages for part in one.payload[key]]})


def describe_message(kind: str, payload: Any) -> str:
    """Say in a line what a message is about."""
    parts = payload.get(_KEYS.get(kind, "")) if isinstance(payload, dict) else None  # type: ignore[call-overload]
    if not isinstance(parts, list) or not parts or not isinstance(parts[0], dict):
        return f"a message of kind {kind!r}"
    first, more = parts[0], f" and {len(parts) - 1} more" if len(parts) > 1 else ""
    if kind == "plan":
        name = f"{first.get('filename')!r} in directory {first.get('directory')!r}"
        return f"product {name} of task {first.get('generator_task_id')}{more}"
    verdict = "passed" if first.get("passed") else "rejected"
    return f"attempt {first.get('attempt_id')}, output {first.get('semantic_type')!r}: {verdict}{more}"
