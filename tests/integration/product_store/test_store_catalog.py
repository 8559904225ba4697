"""Planning, verdicts and questions about what there is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from eas.contracts.errors import ProductExistsError
from eas.contracts.products import PlannedProduct, Verdict

if TYPE_CHECKING:
    from tests.integration.product_store.conftest import Store

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def planned(filename: str = "lc.txt", *, task: int = 1, directory: str = "d", **more: Any) -> PlannedProduct:
    values = {"semantic_type": "lightcurve", "job_id": 1, **more}
    return PlannedProduct(directory=directory, filename=filename, generator_task_id=task, **values)


# --- plans ------------------------------------------------------------------------------------------------------


async def test_a_promise_is_registered_once(store: Store) -> None:
    products = [planned("a", planned_at=NOON, metadata={"n": 1}), planned("b", mime_type="text/csv")]
    assert (await store.client.plan(products)).registered == 2
    assert (await store.client.plan(products)).registered == 0
    first, second = (await store.client.list_products()).items
    assert (first.filename, first.planned_at, first.metadata, first.versions) == ("a", NOON, {"n": 1}, 0)
    assert (second.mime_type, second.latest) == ("text/csv", None)


async def test_a_plan_with_a_name_that_another_task_holds_changes_nothing(store: Store) -> None:
    await store.client.plan([planned("held", task=7)])
    with pytest.raises(ProductExistsError, match="'held' in directory 'd' is already promised by task 7") as caught:
        await store.client.plan([planned("free"), planned("held"), planned("held", directory="other")])
    assert caught.value.where == "body.products[1]"
    assert [problem.where for problem in caught.value.problems] == ["body.products[1]"]
    assert [product.filename for product in (await store.client.list_products()).items] == ["held"]


async def test_two_tasks_of_one_plan_cannot_promise_the_same(store: Store) -> None:
    with pytest.raises(ProductExistsError, match="promised by task 1"):
        await store.client.plan([planned(task=1), planned(task=2)])
    assert (await store.client.plan([planned(task=1), planned(task=1)])).registered == 1


async def test_names_that_differ_only_in_case_are_two(store: Store) -> None:
    assert (await store.client.plan([planned("a", task=1), planned("A", task=2)])).registered == 2


async def test_a_re_run_adds_versions_to_the_product_that_another_task_made(store: Store) -> None:
    await store.client.plan([planned(task=1, metadata={"n": 1}, mime_type="text/csv")])
    first = await store.upload(b"one", task=1, attempt=1)
    again = [planned(task=2, job_id=2, planned_at=NOON, metadata={"n": 2}, mime_type="text/tsv", rerun=True)]

    assert (await store.client.plan(again)).registered == 1

    assert (await store.client.plan(again)).registered == 0
    second = await store.upload(b"two", task=2, attempt=2)
    product = await store.client.get_product(first.product_id)
    assert (second.product_id, product.versions) == (first.product_id, 2)
    assert product.latest is not None
    assert product.latest.version_id == second.version_id
    assert (product.generator_task_id, product.job_id, product.planned_at) == (2, 2, NOON)
    assert (product.metadata, product.mime_type) == ({"n": 2}, "text/tsv")


async def test_the_task_that_had_the_name_before_may_still_store_and_takes_nothing_back(store: Store) -> None:
    first = [planned(task=1)]
    await store.client.plan(first)
    await store.client.plan([planned(task=2, job_id=2, rerun=True)])
    late = await store.upload(b"late", task=1, attempt=1)
    assert (await store.client.plan(first)).registered == 0
    product = await store.client.get_product(late.product_id)
    assert (product.generator_task_id, product.versions) == (2, 1)
    with pytest.raises(ProductExistsError, match="promised by task 2"):
        await store.upload(b"stranger", task=9, attempt=9)


async def test_an_upload_of_a_re_run_may_come_before_its_plan(store: Store) -> None:
    await store.client.plan([planned(task=1)])
    version = await store.upload(b"early", task=2, attempt=2, rerun=True)
    plan = [planned(task=2, job_id=2, planned_at=NOON, metadata={"n": 2}, rerun=True)]
    assert (await store.client.plan(plan)).registered == 0
    product = await store.client.get_product(version.product_id)
    assert (product.generator_task_id, product.planned_at, product.metadata) == (2, NOON, {"n": 2})


async def test_two_tasks_of_one_plan_of_a_re_run_cannot_promise_the_same(store: Store) -> None:
    await store.client.plan([planned("old", task=1)])
    for name in ("old", "new"):
        with pytest.raises(ProductExistsError, match="promised by task 2"):
            await store.client.plan([planned(name, task=2, rerun=True), planned(name, task=3, rerun=True)])
    assert (await store.client.list_products()).items[0].generator_task_id == 1


async def test_a_plan_that_comes_after_the_upload_completes_the_product(store: Store) -> None:
    version = await store.upload(b"x")
    plan = [planned(planned_at=NOON, metadata={"n": 1}, mime_type="text/csv")]
    assert (await store.client.plan(plan)).registered == 0
    product = await store.client.get_product(version.product_id)
    assert (product.planned_at, product.metadata, product.mime_type) == (NOON, {"n": 1}, "text/csv")
    # and only the first one
    await store.client.plan([planned(metadata={"n": 2})])
    assert (await store.client.get_product(version.product_id)).metadata == {"n": 1}


async def test_an_upload_takes_the_type_that_was_planned(store: Store) -> None:
    await store.client.plan([planned(mime_type="application/x-lightcurve")])
    assert (await store.upload(b"x")).mime_type == "application/x-lightcurve"


async def test_a_large_plan(store: Store) -> None:
    products = [planned(f"f{number}", directory=f"d{number % 3}") for number in range(3000)]
    assert (await store.client.plan(products)).registered == 3000
    assert (await store.client.plan(products)).registered == 0


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"filename": "../x"}, "body.products[1].filename"),
        ({"directory": "/abs"}, "body.products[1].directory"),
        ({"metadata": {"a": {"b": [2**70]}}}, "body.products[1].metadata.a.b[0]"),
        ({"planned_at": "2026-01-01T00:00:00"}, "body.products[1].planned_at"),
    ],
)
async def test_a_plan_says_what_is_wrong_and_where(store: Store, change: dict[str, Any], where: str) -> None:
    good = planned("good").model_dump(mode="json")
    response = await store.http.post("plan", json={"products": [good, {**good, **change}]})
    assert (response.status_code, response.json()["where"]) == (422, where)
    assert (await store.client.list_products()).items == []


# --- verdicts ---------------------------------------------------------------------------------------------------


async def test_a_verdict_is_recorded_once(store: Store) -> None:
    version = await store.upload(b"x")
    verdict = Verdict(attempt_id=1, passed=True, decided_at=NOON)
    assert (await store.client.record_verdicts([verdict])).changed == 1
    assert (await store.client.record_verdicts([verdict])).changed == 0
    assert (await store.client.get_version(version.version_id)).passed_qc is True


async def test_a_verdict_is_on_one_semantic_type_or_on_all(store: Store) -> None:
    await store.upload(b"x", "a", semantic_type="lightcurve")
    await store.upload(b"y", "b", semantic_type="report")
    await store.client.record_verdicts([Verdict(attempt_id=1, semantic_type="report", passed=False)])
    assert [found.passed_qc for found in (await store.client.list_versions()).items] == [None, False]
    await store.client.record_verdicts([Verdict(attempt_id=1, passed=True)])
    assert [found.passed_qc for found in (await store.client.list_versions()).items] == [True, True]


async def test_a_verdict_on_an_attempt_without_versions_changes_nothing(store: Store) -> None:
    await store.upload(b"x", attempt=1)
    assert (await store.client.record_verdicts([Verdict(attempt_id=2, passed=True)])).changed == 0
    assert (await store.client.record_verdicts([Verdict(attempt_id=1, semantic_type="z", passed=True)])).changed == 0
    assert (await store.client.list_versions()).items[0].passed_qc is None


async def test_the_verdict_decided_last_holds_even_if_an_earlier_one_is_sent_again(store: Store) -> None:
    version = await store.upload(b"x")
    machine = Verdict(attempt_id=1, passed=True, decided_at=NOON)
    ada = Verdict(attempt_id=1, passed=False, author="ada", reason="a ghost", decided_at=NOON + timedelta(hours=1))
    assert (await store.client.record_verdicts([machine, ada])).changed == 1
    late = Verdict(attempt_id=1, passed=True, reason="late", decided_at=NOON + timedelta(minutes=1))
    assert (await store.client.record_verdicts([machine, late])).changed == 0
    assert (await store.client.get_version(version.version_id)).passed_qc is False


# --- questions --------------------------------------------------------------------------------------------------


async def names(store: Store, **conditions: Any) -> list[str]:
    return [product.filename for product in (await store.client.list_products(**conditions)).items]


async def test_products_by_each_condition(store: Store) -> None:
    await store.client.plan(
        [
            planned("lc_1.fits", task=1, job_id=1),
            planned("lc_2.txt", task=2, job_id=2),
            planned("LC_3.fits", task=3, job_id=2, semantic_type="other", directory="d/e"),
        ]
    )
    await store.upload(b"x", "lc_1.fits", attempt=1)
    await store.upload(b"y", "lc_2.txt", attempt=2, task=2)
    await store.client.record_verdicts([Verdict(attempt_id=1, passed=True), Verdict(attempt_id=2, passed=False)])
    assert await names(store) == ["lc_1.fits", "lc_2.txt", "LC_3.fits"]
    assert await names(store, directory="d") == ["lc_1.fits", "lc_2.txt"]
    assert await names(store, directory="d/e") == ["LC_3.fits"]
    assert await names(store, glob="lc_*") == ["lc_1.fits", "lc_2.txt"]
    assert await names(store, glob="?C_[2-9].fits") == ["LC_3.fits"]
    assert await names(store, glob="lc") == []
    assert await names(store, semantic_type="other") == ["LC_3.fits"]
    assert await names(store, job_id=2) == ["lc_2.txt", "LC_3.fits"]
    assert await names(store, passed_qc=True) == ["lc_1.fits"]
    assert await names(store, passed_qc=False) == ["lc_2.txt"]
    assert await names(store, directory="d", passed_qc=False, glob="*1*") == []


async def test_a_product_shows_its_latest_accepted_version_else_its_latest(store: Store) -> None:
    versions = [await store.upload(b"%d" % attempt, attempt=attempt) for attempt in (1, 2, 3)]
    product = (await store.client.list_products()).items[0]
    assert (product.versions, product.latest and product.latest.version_id) == (3, versions[2].version_id)
    await store.client.record_verdicts([Verdict(attempt_id=2, passed=True), Verdict(attempt_id=3, passed=False)])
    product = await store.client.get_product(product.product_id)
    assert product.latest is not None
    assert (product.latest.version_id, product.latest.passed_qc) == (versions[1].version_id, True)


async def test_pages_put_together_are_everything_once(store: Store) -> None:
    await store.client.plan([planned(f"f{number}", directory=f"d{number % 4}") for number in range(10)])
    found: list[str] = []
    after: int | None = 0
    while after is not None:
        page = await store.client.list_products(after=after, limit=3)
        found += [product.filename for product in page.items]
        after = page.next_after
    assert found == [f"f{number}" for number in range(10)]
    assert (await store.client.list_products(limit=10)).next_after is None
    first = await store.client.list_directories(limit=3)
    assert [(item.directory, item.products) for item in first.items] == [("d0", 3), ("d1", 3), ("d2", 2)]
    rest = await store.client.list_directories(after=first.next_after)
    assert ([item.directory for item in rest.items], rest.next_after) == (["d3"], None)


async def test_versions_by_each_condition(store: Store) -> None:
    first = await store.upload(b"1", "a", attempt=1, task=1)
    second = await store.upload(b"2", "b", attempt=2, task=2)
    third = await store.upload(b"3", "a", attempt=3, task=1)
    await store.client.record_verdicts([Verdict(attempt_id=3, passed=True)])

    async def ids(**conditions: Any) -> list[int]:
        return [found.version_id for found in (await store.client.list_versions(**conditions)).items]

    assert await ids() == [first.version_id, second.version_id, third.version_id]
    assert await ids(attempt_id=2) == [second.version_id]
    assert await ids(task_id=1) == [first.version_id, third.version_id]
    assert await ids(job_id=2) == []
    assert await ids(passed_qc=True) == [third.version_id]
    page = await store.client.list_product_versions(first.product_id, limit=1)
    assert (page.items[0].version_id, page.next_after) == (first.version_id, first.version_id)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "after=-1", f"after={2**63}", "job_id=x", "glob=*a*b*c*d*e"]
)
async def test_questions_that_make_no_sense_are_refused(store: Store, query: str) -> None:
    response = await store.http.get(f"products?{query}")
    assert response.status_code == 422
    assert response.json()["where"] == f"query.{query.partition('=')[0]}"
