"""Settings that mean another type than they have, as Python took them: converted, and recorded as what they became."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eas.contracts.errors import InvalidInputError
from eas.contracts.scheduler import ClaimRequest, WorkerAnnouncement

from .conftest import Bench, describe

pytestmark = pytest.mark.sqlite_only

BOOLEAN, NUMBER, INTEGER, TEXT = ({"type": name} for name in ("boolean", "number", "integer", "string"))
SPECS = {
    "type": "object",
    "properties": {"transits": BOOLEAN, "period": NUMBER, "count": INTEGER, "label": TEXT},
    "additionalProperties": False,
}
STARS = describe("stars", {"specs": SPECS, "either": {"anyOf": [NUMBER, TEXT]}}, required=[], inputs=[], outputs=[])


@pytest.fixture
async def stars(bench: Bench) -> Bench:
    task_type = STARS.model_copy(update={"uses_seed": False})
    worker = WorkerAnnouncement(worker_id="w1", host="here", process_id=1, slots=1, task_types=[task_type])
    await bench.client.announce(worker)
    return bench


async def claim(bench: Bench) -> Any:
    request = ClaimRequest(worker_id=bench.worker_id, per_type={"stars": 1}, total=1)
    (attempt,) = (await bench.client.claim(request)).attempts
    return attempt


def written(value: Any) -> str:
    """JSON tells 1, 1.0 and true apart, which Python's comparison does not."""
    return json.dumps(value, sort_keys=True)


async def test_settings_are_handed_out_and_recorded_as_what_they_became(stars: Bench) -> None:
    specs = {"transits": 1, "period": "25", "count": 3.0, "label": "7"}
    job_id = await stars.submit({"task": "stars", "specs": specs, "either": "8"})
    attempt = await claim(stars)
    became = {"specs": {"transits": True, "period": 25.0, "count": 3, "label": "7"}, "either": "8"}
    assert written(attempt.settings) == written(became)
    await stars.report(attempt)
    task = await stars.client.get_task(attempt.task_id)
    assert written(task.attempts[0].settings) == written(became)
    assert task.description["specs"] == specs
    assert await stars.counts(job_id) == {"done": 2}


async def test_what_expressions_give_is_converted_too(stars: Bench) -> None:
    body = [{"task": "stars", "specs": {"transits": "(metadata['on'])", "period": "(metadata['on_index'] + 1)"}}]
    await stars.submit({"task": "execution_for_loop", "parameter": "on", "values": [0], "task_list": body})
    assert written((await claim(stars)).settings) == written({"specs": {"transits": False, "period": 1.0}})


async def test_equal_settings_are_equal_however_they_were_written(stars: Bench) -> None:
    digests = []
    for specs in ({"transits": 1, "period": 25}, {"transits": True, "period": "2.5e1"}):
        await stars.submit({"task": "stars", "specs": specs})
        attempt = await claim(stars)
        await stars.report(attempt)
        digests.append((await stars.client.get_task(attempt.task_id)).attempts[0].fingerprint)
    assert digests[0] is not None
    assert digests[0] == digests[1]


async def test_changed_settings_are_converted(stars: Bench) -> None:
    await stars.submit({"task": "stars", "specs": {"transits": 2 - 1}})
    attempt = await claim(stars)
    await stars.report(attempt, "failed")
    await stars.client.retry_task(attempt.task_id, settings={"specs": {"transits": 0, "period": "1e3"}})
    again = await claim(stars)
    assert written(again.settings) == written({"specs": {"transits": False, "period": 1000.0}})
    await stars.report(again, "failed")
    with pytest.raises(InvalidInputError):
        await stars.client.retry_task(attempt.task_id, settings={"specs": {"transits": 2}})


@pytest.mark.parametrize(
    ("specs", "word"),
    [
        ({"transits": 2}, "boolean"),
        ({"period": "soon"}, "number"),
        ({"count": 2.5}, "integer"),
        ({"label": 7}, "string"),
    ],
)
async def test_what_means_nothing_is_refused(stars: Bench, specs: dict[str, Any], word: str) -> None:
    refused = await stars.refuse({"task": "stars", "specs": specs})
    (problem,) = refused["problems"]
    (key,) = specs
    assert (refused["status"], problem["slug"]) == (422, "invalid_setting")
    assert problem["where"] == f"$.task_list[0].specs.{key}"
    assert word in problem["message"]
