"""Lists come whole, however they are cut into pages."""

from __future__ import annotations

from collections.abc import Sequence

from eas.client.suite.paging import turn_pages


async def test_all_pages_are_turned_in_order() -> None:
    pages: dict[int | None, tuple[Sequence[str], int | None]] = {
        None: (["a", "b"], 2),
        2: ([], 4),
        4: (["c"], None),
    }
    asked: list[int | None] = []

    async def fetch(cursor: int | None) -> tuple[Sequence[str], int | None]:
        asked.append(cursor)
        return pages[cursor]

    assert [item async for item in turn_pages(fetch)] == ["a", "b", "c"]
    assert asked == [None, 2, 4]
