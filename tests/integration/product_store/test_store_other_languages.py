"""A database of a server that speaks a language with an order of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from eas.contracts.products import PlannedProduct
from eas.database.migrations import find_drift
from eas_product_store.storage.schema import METADATA
from tests.integration.product_store.conftest import Store
from tests.support.postgresql import PostgresqlServer


@pytest.fixture
def make_database(postgresql_server: PostgresqlServer) -> Callable[[str], str]:
    """A database in which a comes before B."""
    url = postgresql_server.make_database(
        "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LC_COLLATE 'C.UTF-8'"
    )
    return lambda _service: url


async def test_directories_are_listed_page_by_page_in_the_order_of_code_points(store: Store) -> None:
    names = ["Z", "a", "B/x", "b", "é", "a-b", "a/b"]
    await store.client.plan(
        [
            PlannedProduct(directory=name, filename="f", semantic_type="t", generator_task_id=1, job_id=1)
            for name in names
        ]
    )
    assert store.fetch("SELECT 'a' < 'B'") == [(True,)]
    found: list[str] = []
    is_more, after = True, None
    while is_more:
        page = await store.client.list_directories(limit=2, after=after)
        found += [item.directory for item in page.items]
        after = page.next_after
        is_more = after is not None
    assert found == sorted(names)
    for name in names:
        await store.http.put("quotas", json={"directory": name, "max_bytes": 1})
    quotas = (await store.http.get("quotas")).json()["quotas"]
    assert [quota["directory"] for quota in quotas] == sorted(names)
    assert find_drift(store.database_url, METADATA) == []
