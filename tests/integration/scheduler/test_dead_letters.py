"""Dead letters over HTTP: listed with their reasons, shown, sent again and discarded."""

from __future__ import annotations

import csv
from typing import Any

import pytest

from eas.contracts.errors import NotFoundError
from eas.contracts.products import PlannedProduct, PlanRequest
from tests.support.databases import Inspector

from .conftest import Bench

pytestmark = pytest.mark.sqlite_only

#: One that the product store would take: the relay cannot reach any here, and keeps what is sent again.
PLAN = PlanRequest(
    products=[
        PlannedProduct(directory="d", filename="a,b.gz", semantic_type="lightcurve", generator_task_id=3, job_id=1)
    ]
).model_dump_json()


@pytest.fixture
def letters(bench: Bench, inspector: Inspector) -> list[str]:
    """Two dead letters."""
    for number in (1, 2):
        statement = "INSERT INTO dead_letter (kind, payload, reason, created_at, died_at) VALUES ('plan', :p, :r, 1, 2)"
        inspector.execute(statement, p=PLAN, r=f"reason {number}")
    return [f"d{number}" for (number,) in inspector.fetch("SELECT id FROM dead_letter ORDER BY id")]


async def test_dead_letters_are_listed_and_shown(bench: Bench, letters: list[str]) -> None:
    items = (await bench.client.list_dead_letters()).items
    assert [(item.letter_id, item.place, item.kind, item.reason) for item in items] == [
        (letters[0], "database", "plan", "reason 1"),
        (letters[1], "database", "plan", "reason 2"),
    ]
    assert items[0].subject == "product 'a,b.gz' in directory 'd' of task 3"
    shown: Any = (await bench.client.get_dead_letter(letters[1])).content
    assert shown["products"][0]["filename"] == "a,b.gz"
    text = (await bench.http.get("/dead-letters", params={"format": "csv", "limit": 1})).text
    (row,) = csv.DictReader(text.splitlines())
    assert (row["letter_id"], row["reason"]) == (letters[0], "reason 1")
    with pytest.raises(NotFoundError, match="no dead letter 'd999'"):
        await bench.client.get_dead_letter("d999")


async def test_dead_letters_are_sent_again_and_discarded(
    bench: Bench, letters: list[str], inspector: Inspector
) -> None:
    assert await bench.client.send_dead_letters_again([letters[0], "d999", "b0"]) == 1
    assert [tuple(row) for row in inspector.fetch("SELECT kind, payload, created_at FROM outbox")] == [
        ("plan", PLAN, 1)
    ]
    assert await bench.client.discard_dead_letters() == 1
    assert (await bench.client.list_dead_letters()).items == []
    response = await bench.http.post("/dead-letters/discard", json={"letters": ["d1"]})
    assert response.status_code == 422
