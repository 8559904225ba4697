"""One attempt that cannot adopt anything runs, and the others adopt what equal attempts made."""

from __future__ import annotations

from typing import Any

import pytest

from eas.contracts.errors import UnavailableError

from .conftest import NULL, Rows, Scheduler, accept, version

NULLS = [NULL | {"duration": number} for number in range(5)]
MAKES = [{"task": "make", "duration": number, "outputs": {"lightcurve": f"'{number}.gz'"}} for number in range(5)]


async def submit_twice(scheduler: Scheduler, rows: Rows, tasks: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Run a job, and submit it again with re-use. Returns the attempts of the second, with their tasks."""
    await scheduler.submit(*tasks)
    for attempt in await scheduler.claim():
        await scheduler.report(accept(attempt, outputs=[version(attempt)] if attempt.outputs else []))
    await scheduler.submit(*tasks, reuse=True)
    return rows.queued()


@pytest.mark.parametrize("verb", ["reuse.mark_adopted", "tasks.find_material", "tasks.find_outputs"])
async def test_an_attempt_on_which_nothing_can_be_decided_runs(scheduler: Scheduler, rows: Rows, verb: str) -> None:
    queued = await submit_twice(scheduler, rows, NULLS)
    bad, task = queued[2]
    poison = scheduler.poison(verb, bad if verb.startswith("reuse") else task)
    await scheduler.reuse.decide()
    assert poison.strikes
    states = rows.tasks()
    assert [states[found] for _, found in queued] == ["done", "done", "queued", "done", "done"]
    scheduler.transactor.poisons.clear()
    assert [attempt.attempt_id for attempt in await scheduler.claim()] == [bad]


async def test_one_adoption_that_is_refused_does_not_refuse_the_others(scheduler: Scheduler, rows: Rows) -> None:
    queued = await submit_twice(scheduler, rows, MAKES)
    bad, _ = queued[2]
    scheduler.adopter.bad = {bad}
    await scheduler.reuse.decide()
    states = rows.tasks()
    assert [states[found] for _, found in queued] == ["done", "done", "queued", "done", "done"]
    assert [attempt.attempt_id for attempt in await scheduler.claim()] == [bad]


async def test_what_was_adopted_and_cannot_be_recorded_runs(scheduler: Scheduler, rows: Rows) -> None:
    queued = await submit_twice(scheduler, rows, MAKES)
    bad, task = queued[2]
    scheduler.poison("tasks.mark_done", task)
    await scheduler.reuse.decide()
    states = rows.tasks()
    assert [states[found] for _, found in queued] == ["done", "done", "queued", "done", "done"]
    assert [attempt.attempt_id for attempt in await scheduler.claim()] == [bad]


async def test_all_wait_while_the_store_is_away(scheduler: Scheduler, rows: Rows) -> None:
    queued = await submit_twice(scheduler, rows, MAKES)
    scheduler.adopter.bad, scheduler.adopter.error = {queued[2][0]}, UnavailableError("away")
    with pytest.raises(UnavailableError):
        await scheduler.reuse.decide()
    assert await scheduler.claim() == []
