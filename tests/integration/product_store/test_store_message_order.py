"""Plans and verdicts that come late, twice, in any order, and by two doors: what is known in the end is the same."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from eas.contracts.errors import InvalidInputError, ProductExistsError
from eas.contracts.products import (
    PlanMessage,
    PlannedProduct,
    PlanRequest,
    ProductMessage,
    Verdict,
    VerdictMessage,
    VerdictRequest,
)
from eas_product_store.handlers.queued_messages import QueuedMessages
from tests.integration.product_store.conftest import Store

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)

Message = PlanMessage | VerdictMessage


class TwoDoors:
    """Brings messages to a store by HTTP and as the broker does, in turn."""

    def __init__(self, store: Store, first: int = 0) -> None:
        self._store = store
        factory = store.app.state.factory
        self._queued = QueuedMessages(factory.planning, factory.quality)
        self._turn = first

    async def tell(self, message: Message) -> None:
        self._turn += 1
        if self._turn % 2:
            await self._queued.take(ProductMessage(message).model_dump_json().encode())
        elif isinstance(message, PlanMessage):
            await self._store.client.plan(message.payload.products)
        else:
            await self._store.client.record_verdicts(message.payload.verdicts)


def plan(task: int, directory: str, **fields: Any) -> PlanMessage:
    planned = PlannedProduct(
        directory=directory,
        filename="lc.txt",
        semantic_type="lightcurve",
        generator_task_id=task,
        job_id=task,
        planned_at=NOON + timedelta(seconds=task),
        metadata={"task": task},
        **fields,
    )
    return PlanMessage(payload=PlanRequest(products=[planned]))


def verdict(minute: int, *, passed: bool, author: str = "scheduler", **fields: Any) -> VerdictMessage:
    judged = Verdict(passed=passed, author=author, decided_at=NOON + timedelta(minutes=minute), **fields)
    return VerdictMessage(payload=VerdictRequest(verdicts=[judged]))


async def tell_plans(store: Store, number: int, order: Sequence[str]) -> None:
    """Bring plans and versions of three tasks in this order, then the plans again; and look what is known."""
    base, directory = 10 * number, f"d{number}"
    plans = {
        f"plan {task}": plan(base + task, directory, rerun=task > 1, mime_type="text/csv" if task == 2 else None)
        for task in (1, 2, 3)
    }
    doors = TwoDoors(store, number)
    for event in (*order, *reversed(plans)):
        if event in plans:
            await doors.tell(plans[event])
            continue
        task = int(event[-1])
        own = base + task
        await store.upload(b"x", directory=directory, attempt=own, task=own, job=own, rerun=task > 1)
    (product,) = (await store.client.list_products(directory=directory)).items
    last = base + 3
    assert (product.generator_task_id, product.job_id, product.metadata) == (last, last, {"task": last}), order
    assert (product.versions, product.mime_type) == (2, None), order
    assert product.planned_at == NOON + timedelta(seconds=last), order
    others = store.fetch("SELECT task_id FROM earlier_generator WHERE product_id = :id", id=product.product_id)
    assert sorted(row[0] for row in others) == [base + 1, base + 2], order


async def test_plans_and_versions_of_re_runs_end_alike_in_every_order(store: Store) -> None:
    history = ("plan 1", "plan 2", "plan 3", "version 1", "version 3")
    # At the same time, each with names of its own: so they share commits.
    await asyncio.gather(*(tell_plans(store, number, order) for number, order in enumerate(permutations(history))))


async def tell_verdicts(store: Store, number: int, order: Sequence[str], *, last: bool) -> None:
    """Bring verdicts on a version in this order, then in the opposite; and look which holds."""
    directory, attempt = f"d{number}", number + 1
    version = await store.upload(b"x", directory=directory, attempt=attempt, task=attempt)
    of: dict[str, Any] = {"attempt_id": attempt}
    messages: dict[str, Message] = {
        "quality control": verdict(1, passed=last, semantic_type="lightcurve", **of),
        "first operator": verdict(2, passed=not last, author="ada", version_id=version.version_id, **of),
        "second operator": verdict(3, passed=last, author="bob", version_id=version.version_id, **of),
        "plan": plan(attempt, directory),
    }
    doors = TwoDoors(store, number)
    for event in (*order, *reversed(order)):
        await doors.tell(messages[event])
    assert (await store.client.get_version(version.version_id)).passed_qc is last, order
    ledger = store.fetch("SELECT author FROM verdict WHERE version_id = :id", id=version.version_id)
    assert sorted(row[0] for row in ledger) == ["ada", "bob", "scheduler"], order


@pytest.mark.parametrize("last", [True, False])
async def test_verdicts_end_alike_in_every_order(store: Store, last: bool) -> None:
    history = ("quality control", "first operator", "second operator", "plan")
    orders = enumerate(permutations(history))
    await asyncio.gather(*(tell_verdicts(store, number, order, last=last) for number, order in orders))


async def test_an_older_verdict_that_comes_again_does_not_overrule_the_operator(store: Store) -> None:
    doors = TwoDoors(store)
    version = await store.upload(b"x")
    accepted = verdict(1, passed=True, attempt_id=1)
    await doors.tell(accepted)
    await doors.tell(verdict(2, passed=False, author="ada", attempt_id=1, version_id=version.version_id))
    for _ in range(2):
        await doors.tell(accepted)
    assert (await store.client.get_version(version.version_id)).passed_qc is False


@pytest.mark.parametrize("door", [0, 1])
async def test_both_doors_refuse_what_can_never_be_taken(store: Store, door: int) -> None:
    await store.client.plan(plan(7, "held").payload.products)
    with pytest.raises(ProductExistsError, match="promised by task 7"):
        await TwoDoors(store, door).tell(plan(8, "held"))


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"kind":"rumour","payload":{}}', b'{"kind":"plan","payload":{"products":[{}]}}']
)
async def test_a_message_that_is_none_is_refused(store: Store, body: bytes) -> None:
    factory = store.app.state.factory
    with pytest.raises(InvalidInputError, match="not a plan and no verdicts"):
        await QueuedMessages(factory.planning, factory.quality).take(body)
