"""Attempts adopt versions of equal attempts: no byte is stored twice, and nothing bad is adopted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from eas.contracts.products import Adoption, PlannedProduct, Verdict, VersionView

if TYPE_CHECKING:
    from tests.integration.product_store.conftest import Store


def adoption(version: VersionView, **changes: Any) -> Adoption:
    values = {
        "version_id": version.version_id,
        "sha256": version.sha256,
        "directory": "again",
        "filename": "lc.txt",
        "semantic_type": "lightcurve",
        "attempt_id": 2,
        "task_id": 2,
        "job_id": 2,
    }
    return Adoption.model_validate(values | changes)


async def test_another_product_gets_a_version_with_the_same_bytes(store: Store) -> None:
    source = await store.upload(b"bytes")
    assert len(store.objects()) == 1

    (answer,) = await store.client.adopt([adoption(source)])
    (again,) = await store.client.adopt([adoption(source)])

    version = answer.version
    assert version is not None
    assert again == answer
    assert (version.adopted_from, version.attempt_id, version.job_id) == (source.version_id, 2, 2)
    assert (version.directory, version.sha256, version.passed_qc) == ("again", source.sha256, None)
    assert version.version_id != source.version_id
    assert version.product_id != source.product_id
    assert len(store.objects()) == 1
    target = store.root / "fetched"
    await store.client.download(version.version_id, target, sha256=version.sha256)
    assert target.read_bytes() == b"bytes"
    assert await store.client.get_version(version.version_id) == version
    await store.client.record_verdicts([Verdict(attempt_id=2, passed=True, reason="adopted")])
    assert (await store.client.get_version(version.version_id)).passed_qc
    assert (await store.client.get_version(source.version_id)).passed_qc is None


async def test_a_plan_completes_the_product_of_an_adoption(store: Store) -> None:
    source = await store.upload(b"bytes")
    (answer,) = await store.client.adopt([adoption(source)])
    assert answer.version is not None
    plan = PlannedProduct(
        directory="again",
        filename="lc.txt",
        semantic_type="lightcurve",
        generator_task_id=2,
        job_id=2,
        metadata={"n": 1},
    )
    assert (await store.client.plan([plan])).registered == 0
    assert (await store.client.get_product(answer.version.product_id)).metadata == {"n": 1}


async def test_a_re_run_adopts_the_very_version_of_its_product(store: Store) -> None:
    source = await store.upload(b"bytes")
    (refused,) = await store.client.adopt([adoption(source, directory="d")])
    assert "already promised by task 1" in str(refused.message)

    (answer,) = await store.client.adopt([adoption(source, directory="d", rerun=True)])

    assert answer.version == source
    product = await store.client.get_product(source.product_id)
    assert (product.versions, product.generator_task_id) == (1, 2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version_id": 99}, "there is no such version"),
        ({"sha256": "0" * 64}, "has SHA-256"),
        ({"semantic_type": "report"}, "is a 'lightcurve', not a 'report'"),
    ],
)
async def test_what_does_not_match_is_not_adopted(store: Store, changes: dict[str, Any], words: str) -> None:
    source = await store.upload(b"bytes")
    bad, good = await store.client.adopt([adoption(source, **changes), adoption(source, directory="other")])
    assert bad.version is None
    assert words in str(bad.message)
    assert good.version is not None
    assert {product.directory for product in (await store.client.list_products()).items} == {"d", "other"}


async def test_what_failed_quality_control_or_is_damaged_is_not_adopted(store: Store) -> None:
    rejected = await store.upload(b"rejected", "a", attempt=1)
    damaged = await store.upload(b"damaged", "b", attempt=3)
    await store.client.record_verdicts([Verdict(attempt_id=1, passed=False, reason="bad")])
    for path in store.objects():
        if path.read_bytes() == b"damaged":
            path.chmod(0o600)
            path.write_bytes(b"DAMAGED")
    response = await store.http.get(f"versions/{damaged.version_id}/content")
    assert response.status_code >= 400

    answers = await store.client.adopt([adoption(rejected), adoption(damaged, filename="x")])

    assert [answer.version for answer in answers] == [None, None]
    assert "did not pass quality control" in str(answers[0].message)
    assert "is damaged" in str(answers[1].message)
