"""What stays and what goes: shared bytes, pins, removals with grace, tombstones, retention rules and quotas."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from eas.client.product_store import ProductStoreClient
from eas.contracts.errors import ConflictError, GoneError, NotFoundError, QuotaExceededError
from eas.contracts.products import Adoption, Verdict, VersionView
from eas.contracts.retention import RetentionRequest, RetentionRuleView

if TYPE_CHECKING:
    from tests.integration.product_store.conftest import Store, StoreProcess

DATA = b"time flux\n0.0 1.0\n"


async def read(store: Store, version: VersionView) -> httpx.Response:
    return await store.http.get(f"versions/{version.version_id}/content")


async def accept(store: Store, version: VersionView) -> None:
    await store.client.record_verdicts([Verdict(attempt_id=version.attempt_id, passed=True)])


def ask(*rules: dict[str, Any], running_jobs: tuple[int, ...] = (), force: bool = False) -> RetentionRequest:
    return RetentionRequest(
        rules=[RetentionRuleView.model_validate({"name": "rule", **rule}) for rule in rules],
        running_jobs=list(running_jobs),
        force=force,
    )


# --- the same bytes are stored once -----------------------------------------------------------------------------


async def test_the_same_bytes_are_stored_once_and_stay_as_long_as_someone_needs_them(store: Store) -> None:
    first = await store.upload(DATA, "a", attempt=1)
    second = await store.upload(DATA, "b", attempt=2)
    assert (len(store.objects()), store.incoming()) == (1, [])
    await store.client.remove(first.version_id, running_jobs=[])
    report = await store.client.collect_garbage(grace_hours=0)
    assert (report.versions, report.bytes, report.files) == (1, len(DATA), 0)
    assert (await read(store, first)).status_code == 410
    assert (await read(store, second)).content == DATA
    await store.client.remove(second.version_id, running_jobs=[])
    assert (await store.client.collect_garbage(grace_hours=0)).files == 1
    assert store.objects() == []
    # Bytes that are gone are not found again
    third = await store.upload(DATA, "c", attempt=3)
    assert (await read(store, third)).content == DATA


async def test_bytes_that_come_again_heal_those_that_were_damaged_unseen(store: Store) -> None:
    first = await store.upload(DATA, "a", attempt=1)
    path = store.objects()[0]
    path.chmod(0o600)
    path.write_bytes(DATA.upper())
    await store.upload(DATA, "b", attempt=2)
    assert len(store.objects()) == 1
    assert (await read(store, first)).content == DATA


async def test_the_place_of_damaged_bytes_is_not_shared(store: Store) -> None:
    first = await store.upload(DATA, "a", attempt=1)
    (place,) = store.objects()
    place.unlink()
    assert (await read(store, first)).status_code == 500
    second = await store.upload(DATA, "b", attempt=2)
    assert store.objects() != [place]
    assert (await read(store, second)).content == DATA
    assert (await read(store, first)).content == DATA


# --- pins, removals and grace -----------------------------------------------------------------------------------


async def test_a_removed_version_is_not_found_by_name_and_can_be_restored(store: Store) -> None:
    old = await store.upload(b"old", attempt=1)
    new = await store.upload(b"new", attempt=2)
    removed = await store.client.remove(new.version_id, running_jobs=[], reason="wrong settings")
    assert (removed.deletion, removed.purged) == ("anyone: wrong settings", False)
    assert removed.deleted_at is not None
    latest = await store.http.get("content", params={"directory": "d", "filename": "lc.txt", "accepted": False})
    assert latest.content == b"old"
    product = await store.client.get_product(old.product_id)
    assert (product.versions, product.latest and product.latest.version_id) == (1, old.version_id)
    # Within the grace its bytes are there
    assert (await store.client.collect_garbage()).versions == 0
    assert (await read(store, new)).content == b"new"
    assert (await store.client.restore(new.version_id)).deleted_at is None
    assert (await store.client.collect_garbage(grace_hours=0)).versions == 0
    assert (await store.client.get_product(old.product_id)).versions == 2


async def test_after_the_grace_a_tombstone_says_who_and_why(store: Store) -> None:
    version = await store.upload(DATA)
    await store.client.remove(version.version_id, running_jobs=[], reason="too noisy")
    await store.client.remove(version.version_id, running_jobs=[], reason="said twice")
    assert (await store.client.collect_garbage(grace_hours=0)).files == 1
    response = await read(store, version)
    assert (response.status_code, response.json()["slug"]) == (410, "gone")
    assert "too noisy" in response.json()["message"]
    tombstone = await store.client.get_version(version.version_id)
    assert (tombstone.purged, tombstone.sha256) == (True, version.sha256)
    assert store.objects() == []
    for call in (store.client.restore(version.version_id), store.client.pin(version.version_id), store.upload(DATA)):
        with pytest.raises(GoneError):
            await call


async def test_what_is_pinned_stays(store: Store) -> None:
    version = await store.upload(DATA)
    assert (await store.client.pin(version.version_id, "figure 3")).pin == "anyone: figure 3"
    with pytest.raises(ConflictError, match="figure 3"):
        await store.client.remove(version.version_id, running_jobs=[], force=True)
    report = (await store.client.run_retention(ask({}, force=True))).findings[0]
    assert (report.versions, report.spared_versions, report.spared_bytes) == (0, 1, len(DATA))
    await store.client.unpin(version.version_id)
    await store.client.remove(version.version_id, running_jobs=[])
    # A pin in the time of grace holds too
    await store.client.pin(version.version_id)
    assert (await store.client.collect_garbage(grace_hours=0)).versions == 0
    assert (await read(store, version)).content == DATA


async def test_what_a_running_job_may_read_stays_unless_forced(store: Store) -> None:
    version = await store.upload(DATA, job=7)
    await accept(store, version)
    with pytest.raises(ConflictError, match="job 7"):
        await store.client.remove(version.version_id, running_jobs=[7])
    assert (await store.client.run_retention(ask({}, running_jobs=(7,)))).findings[0].spared_versions == 1
    assert (await store.client.run_retention(ask({}, running_jobs=(7,), force=True))).findings[0].versions == 1


async def test_a_removed_version_is_not_adopted(store: Store) -> None:
    version = await store.upload(DATA)
    await store.client.remove(version.version_id, running_jobs=[])
    adoption = Adoption(
        version_id=version.version_id,
        sha256=version.sha256,
        directory="e",
        filename="lc.txt",
        semantic_type="lightcurve",
        attempt_id=9,
        task_id=9,
        job_id=9,
    )
    assert "was removed" in str((await store.client.adopt([adoption]))[0].message)


async def test_removing_what_is_not_there(store: Store) -> None:
    for call in (
        store.client.pin(1),
        store.client.unpin(1),
        store.client.remove(1, running_jobs=[]),
        store.client.restore(1),
        store.client.remove_quota("d"),
    ):
        with pytest.raises(NotFoundError):
            await call


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_collection_that_was_killed_before_the_files_went_is_finished(store_process: StoreProcess) -> None:
    store = store_process
    store.start()
    async with ProductStoreClient(store.url, None) as client:
        version = await client.upload(
            store.write("x", DATA), directory="d", filename="f", semantic_type="t", attempt_id=1, task_id=1, job_id=1
        )
    store.kill()
    # Given a version whose purge was committed and whose file was not removed yet
    name = store.objects()[0].name
    store.change("UPDATE version SET deleted_at = 1, deletion = 'ada', purged_at = 2")
    store.change("INSERT INTO garbage (store_name) VALUES (:name)", name=name)
    store.start()
    async with ProductStoreClient(store.url, None) as client:
        await client.collect_garbage()
        assert store.objects() == []
        with pytest.raises(GoneError):
            await client.read(version.version_id)


# --- retention --------------------------------------------------------------------------------------------------


async def test_a_plan_touches_nothing_and_a_run_does_what_it_said(store: Store) -> None:
    kept = await store.upload(b"0", directory="other", attempt=1)
    gone = [await store.upload(bytes([attempt]) * attempt, directory="trials/x", attempt=attempt) for attempt in (2, 3)]
    rule = {"name": "trials", "directory": "trials/*"}
    planned = await store.client.plan_retention(ask(rule))
    assert [(one.rule, one.versions, one.bytes) for one in planned.findings] == [("trials", 2, 5)]
    assert [version.deleted_at for version in (await store.client.list_versions()).items] == [None] * 3
    report = await store.client.run_retention(ask(rule))
    assert [version.version_id for version in report.findings[0].examples] == [one.version_id for one in gone]
    assert (report.findings[0].versions, report.findings[0].bytes) == (2, 5)
    deletions = {version.version_id: version.deletion for version in (await store.client.list_versions()).items}
    assert deletions == {kept.version_id: None} | {one.version_id: "anyone: retention rule 'trials'" for one in gone}
    assert (await store.client.run_retention(ask(rule))).findings[0].versions == 0


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"semantic_type": "lightcurve"}, [1, 2, 3]),
        ({"semantic_type": "other"}, []),
        ({"passed_qc": [True]}, [1]),
        ({"passed_qc": [False]}, [2]),
        ({"passed_qc": [False, None]}, [2, 3]),
        ({"passed_qc": []}, []),
        ({"older_than_days": 1.5}, [1]),
        ({"keep_newest": 1}, [1, 2]),
        ({"keep_newest": 2}, [1]),
        ({"keep_newest": 1, "older_than_days": 1.5}, [1]),
        ({"keep_newest": 1, "passed_qc": [True]}, []),
        ({"directory": "[a-c]"}, []),
    ],
)
async def test_conditions_of_rules(store: Store, rule: dict[str, Any], expected: list[int]) -> None:
    for attempt, passed, days in ((1, True, 2), (2, False, 1), (3, None, 0)):
        version = await store.upload(bytes([attempt]), attempt=attempt)
        if passed is not None:
            await store.client.record_verdicts([Verdict(attempt_id=attempt, passed=passed)])
        created = int((datetime.now(UTC) - timedelta(days=days)).timestamp() * 1e6)
        store.change("UPDATE version SET created_at = :at WHERE version_id = :id", at=created, id=version.version_id)
    finding = (await store.client.plan_retention(ask(rule))).findings[0]
    assert [version.attempt_id for version in finding.examples] == expected
    assert finding.versions == len(expected)


async def test_rules_without_a_word_on_running_jobs_are_refused(store: Store) -> None:
    response = await store.http.post("retention/run", json={"rules": [{"name": "all"}]})
    assert (response.status_code, response.json()["where"]) == (422, "body.running_jobs")


# --- quotas -----------------------------------------------------------------------------------------------------


async def test_a_quota_counts_what_is_below_and_refuses_more(store: Store) -> None:
    await store.upload(b"x" * 40, directory="a/b", attempt=1)
    await store.upload(b"x" * 40, directory="ab", attempt=2)
    assert (await store.client.put_quota("a", 100)).used_bytes == 40
    second = await store.upload(b"y" * 60, directory="a", attempt=3)
    with pytest.raises(QuotaExceededError, match="100 of at most 100 bytes"):
        await store.upload(b"z", directory="a/b/c", attempt=4)
    response = await store.http.post(
        "uploads",
        json={"directory": "a", "filename": "f", "semantic_type": "t", "size": 1}
        | {"attempt_id": 5, "task_id": 1, "job_id": 1},
    )
    assert (response.status_code, response.json()["slug"]) == (413, "quota_exceeded")
    assert (len(store.objects()), store.incoming()) == (2, [])
    assert (await store.upload(b"z" * 500, directory="ab", attempt=6)).size == 500
    # Room comes back with the bytes
    await store.client.remove(second.version_id, running_jobs=[])
    await store.client.collect_garbage(grace_hours=0)
    assert [(quota.directory, quota.used_bytes) for quota in await store.client.list_quotas()] == [("a", 40)]
    await store.upload(b"z", directory="a/b/c", attempt=4)
    await store.client.remove_quota("a")
    await store.upload(b"z" * 500, directory="a", attempt=7)


async def test_an_upload_that_comes_again_is_counted_once(store: Store) -> None:
    await store.client.put_quota("d", 100)
    for _ in range(3):
        await store.upload(b"x" * 60)
    assert (await store.client.list_quotas())[0].used_bytes == 60
