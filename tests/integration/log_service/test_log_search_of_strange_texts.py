"""Searches in texts that indexes of words have trouble with find the same on every engine."""

from __future__ import annotations

import pytest

from eas.client.log_service import LogClient
from eas.contracts.logs import LogBatch, LogQuery
from tests.integration.log_service.conftest import MakeRecord

LONG = "abcdefgh" * 60
TEXTS = [
    "the a is on in",  # stop words, and words of one letter
    "a is the on",
    f"{LONG}x end",
    f"{LONG}y end",
    "b " * 20_000 + "w1 w2 w3 before after",
    "again " * 400 + "before after",
    "again " * 400 + "after before",
    "Москва дата 東京 x",
    "Μόσχος μία e\u0301tat",
    "it's ':*' | & ! <-> (x) \\ +y -z \"q\" ~ @ :j1 ssj1 xxa _ 430_",
    "last",
]


@pytest.fixture
async def strange(logs: LogClient, make_record: MakeRecord) -> LogClient:
    """Records with these messages; the last one's traceback goes on where its message ends."""
    records = [make_record(number, message=text) for number, text in enumerate(TEXTS)]
    records[-1] = records[-1].model_copy(update={"traceback": "first of all", "host": "é" * 256})
    await logs.ingest(LogBatch(records=records))
    return logs


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("a", [0, 1]),
        ('"the a is"', [0]),
        ('"a is"', [0, 1]),
        (f"{LONG}x", [2]),
        (f"{LONG}*", [2, 3]),
        (f"{LONG}y* end", [3]),
        (f"{LONG[:100]}*", [2, 3]),
        ("w3", [4]),
        ('"w2 w3"', [4]),
        ('"before after"', [4, 5]),
        ('"again before"', [5]),
        ("after_before", [6]),
        ('"w1 w3"', []),
        ("again*", [5, 6]),
        ("москва", [7]),
        ("мос*", [7]),
        ('"москва дата"', [7]),
        ("дата_東*", [7]),
        ("東", []),
        ("etat", [8]),
        ("μία", [8]),
        ("it's", [9]),
        ("j1", [9]),
        ("ssj1 xxa", [9]),
        ("y -z", [9]),
        ("last first", [10]),
        ('"last first"', []),
        ("last_first", []),
        ("first_o*", [10]),
    ],
)
async def test_strange_words(strange: LogClient, text: str, numbers: list[int]) -> None:
    for limit in (1, 200):
        page = await strange.list_records(LogQuery(text=text, limit=limit))
        assert [item.sequence for item in page.items] == numbers[:limit]
        assert (page.next_after is not None) == (len(numbers) > limit)


async def test_long_names_of_hosts(strange: LogClient) -> None:
    found = (await strange.list_records(LogQuery(host="é" * 256))).items
    assert [item.sequence for item in found] == [10]
    assert (await strange.list_records(LogQuery(host="é" * 255))).items == []
