"""Finding products and versions by name, type, time and metadata."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from eas.contracts.errors import InvalidInputError
from eas.contracts.metadata import Metadata
from eas.contracts.products import PlannedProduct

if TYPE_CHECKING:
    from tests.integration.product_store.conftest import Store

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
FOUND: dict[str, Metadata] = {
    "whole": {"period": 4},
    "real": {"period": 2.5},
    "text": {"period": "4"},
    "flag": {"period": True},
    "null": {"period": None},
    "none": {"star": "HD 1"},
    "deep": {"fit": {"a b": {"depth": 0.01}}},
}


async def upload(store: Store, filename: str, metadata: Metadata, *, number: int = 1, directory: str = "d") -> int:
    version = await store.client.upload(
        store.write("upload.tmp", filename.encode()),
        directory=directory,
        filename=filename,
        semantic_type="lightcurve" if number % 2 else "report",
        attempt_id=number,
        task_id=number,
        job_id=1,
        metadata=metadata,
    )
    return version.version_id


EXPECTED = {
    "metadata.period > 3": ["whole"],
    "metadata.period >= 2.5": ["whole", "real"],
    "metadata.period <= 2.5": ["real"],
    "metadata.period = 4": ["whole"],
    "metadata.period = 4.0": ["whole"],
    "metadata.period = '4'": ["text"],
    "metadata.period > '3'": ["text"],
    "metadata.period = true": ["flag"],
    "metadata.period = 1": [],
    "metadata.period = null": ["null"],
    "metadata.period != 4": ["real", "text", "flag", "null"],
    "metadata.period exists": ["whole", "real", "text", "flag", "null"],
    "metadata.period missing": ["none", "deep"],
    'metadata.fit."a b".depth < 1': ["deep"],
    "metadata.star = 'HD 1'": ["none"],
}


async def test_metadata_is_compared_with_its_type(store: Store) -> None:
    await store.client.plan(
        [
            PlannedProduct(
                directory="d",
                filename=name,
                semantic_type="lightcurve",
                generator_task_id=number,
                job_id=1,
                metadata=metadata,
            )
            for number, (name, metadata) in enumerate(FOUND.items())
        ]
    )
    for number, (name, metadata) in enumerate(FOUND.items()):
        await store.client.upload(
            store.write("upload.tmp", name.encode()),
            directory="d",
            filename=name,
            semantic_type="lightcurve",
            attempt_id=number,
            task_id=number,
            job_id=1,
            metadata=metadata,
        )
    versions = {where: await store.client.list_versions(where=[where]) for where in EXPECTED}
    assert {where: [version.filename for version in page.items] for where, page in versions.items()} == EXPECTED
    products = {where: await store.client.list_products(directory="d", where=[where]) for where in EXPECTED}
    assert {where: [product.filename for product in page.items] for where, page in products.items()} == EXPECTED


async def test_a_condition_that_cannot_be_read_is_refused(store: Store) -> None:
    with pytest.raises(InvalidInputError, match=r"expected metadata\.NAME") as caught:
        await store.client.list_versions(where=["metadata.a exists", "1 = 1"])
    assert caught.value.where == "query.where[1]"


async def test_versions_are_found_by_name_and_type_and_read_in_pages(store: Store) -> None:
    for number in range(1, 7):
        await upload(store, f"lc_{number}", {"n": number}, number=number, directory="a" if number < 5 else "b")
    first = await store.client.list_versions(directory="a", glob="lc_*", semantic_type="lightcurve", limit=1)
    assert [version.filename for version in first.items] == ["lc_1"]
    assert first.next_after is not None
    rest = await store.client.list_versions(
        directory="a", glob="lc_*", semantic_type="lightcurve", limit=1, after=first.next_after
    )
    assert ([version.filename for version in rest.items], rest.next_after) == (["lc_3"], None)
    both = await store.client.list_versions(where=["metadata.n > 1", "metadata.n < 4"])
    assert [version.filename for version in both.items] == ["lc_2", "lc_3"]
    assert [version.filename for version in (await store.client.list_versions(glob="lc_6")).items] == ["lc_6"]


async def test_products_and_versions_are_found_by_their_times(store: Store) -> None:
    await store.client.plan(
        [
            PlannedProduct(
                directory="d",
                filename=f"f{day}",
                semantic_type="lightcurve",
                generator_task_id=1,
                job_id=1,
                planned_at=NOON + timedelta(days=day),
            )
            for day in range(4)
        ]
    )
    page = await store.client.list_products(since=NOON + timedelta(days=1), until=NOON + timedelta(days=3))
    assert [product.filename for product in page.items] == ["f1", "f2"]
    version_id = await upload(store, "made", {})
    made_at = (await store.client.get_version(version_id)).created_at
    assert [found.version_id for found in (await store.client.list_versions(since=made_at)).items] == [version_id]
    assert (await store.client.list_versions(until=made_at)).items == []
    answer = await store.http.get("/versions", params={"since": "2026-01-31T12:00:00"})
    assert answer.json()["problems"][0]["where"] == "query.since"


async def test_many_versions_are_looked_up_at_once(store: Store) -> None:
    ids = [await upload(store, f"f{number}", {"n": number}, number=number) for number in range(1, 4)]
    found = await store.client.look_up_versions([ids[2], 999, ids[0], ids[0]])
    assert [version.version_id for version in found] == [ids[0], ids[2]]
    assert await store.client.look_up_versions([]) == []
