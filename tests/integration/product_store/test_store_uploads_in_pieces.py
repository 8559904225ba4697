"""Uploads in pieces: they go on where they were, and become the same versions as uploads in one stream."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from eas.client.product_store import ProductStoreClient
from eas.contracts.errors import NotFoundError, UnavailableError, VersionExistsError
from eas_product_store.logic.deposit import BLOCK_SIZE
from eas_product_store.runtime import ProductStoreRuntime
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.sqlite_only

if TYPE_CHECKING:
    from tests.integration.product_store.conftest import Place, Store, StoreProcess

WaitUntil = Callable[[Callable[[], bool]], None]

DATA = os.urandom(3_000_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
REQUEST: dict[str, Any] = {
    "directory": "d",
    "filename": "long.bin",
    "semantic_type": "lightcurve",
    "attempt_id": 1,
    "task_id": 1,
    "job_id": 1,
    "metadata": {"star": "é", "index": 3},
}


def uploads(place: Place) -> list[int]:
    """The sizes of the files of uploads in pieces."""
    return [path.stat().st_size for path in (place.root / "archive" / "uploads").iterdir()]


async def open_upload(store: Store, **more: Any) -> str:
    response = await store.http.post("uploads", json={**REQUEST, **more})
    assert response.status_code == 201, response.text
    assert (response.headers["location"], response.headers["upload-offset"]) == (
        f"uploads/{response.json()['upload_id']}",
        "0",
    )
    return str(response.json()["upload_id"])


async def append(store: Store, upload: str, offset: int, data: bytes, **headers: str) -> httpx.Response:
    return await store.http.patch(f"uploads/{upload}", content=data, headers={"Upload-Offset": str(offset), **headers})


async def test_pieces_become_a_version(store: Store) -> None:
    upload = await open_upload(store, size=len(DATA), sha256=SHA256, md5=hashlib.md5(DATA).hexdigest())
    first = await append(store, upload, 0, DATA[:1_000_000])
    assert (first.status_code, first.headers["upload-offset"]) == (204, "1000000")
    ranged = {"Content-Range": f"bytes 1000000-2000000/{len(DATA)}"}
    assert (await store.http.patch(f"uploads/{upload}", content=DATA[1_000_000:2_000_001], headers=ranged)).is_success
    head = await store.http.head(f"uploads/{upload}")
    assert (head.headers["upload-offset"], head.headers["upload-length"]) == ("2000001", str(len(DATA)))
    assert (await append(store, upload, 2_000_001, DATA[2_000_001:])).is_success
    response = await store.http.post(f"uploads/{upload}/commit")
    assert (response.status_code, response.json()["sha256"]) == (201, SHA256)
    assert response.json()["metadata"] == REQUEST["metadata"]
    assert [path.read_bytes() for path in store.objects()] == [DATA]
    assert (store.incoming(), uploads(store)) == ([], [])
    # And again, as after an answer that was lost
    again = await store.http.put(f"uploads/{upload}/commit")
    assert (again.status_code, again.json()) == (200, response.json())
    assert (await store.http.get(f"uploads/{upload}")).json()["version_id"] == response.json()["version_id"]
    assert (await append(store, upload, len(DATA), b"more")).status_code == 409


@pytest.mark.parametrize("offset", [0, 9, 11])
async def test_a_gap_and_an_overlap_are_refused_with_the_offset(store: Store, offset: int) -> None:
    upload = await open_upload(store)
    await append(store, upload, 0, b"0123456789")
    response = await append(store, upload, offset, b"x")
    assert (response.status_code, response.json()["slug"]) == (416, "range_not_satisfiable")
    assert response.headers["upload-offset"] == "10"
    assert (await store.http.post(f"uploads/{upload}/commit")).json()["size"] == 10


async def test_more_bytes_than_announced_are_refused_and_fewer_are_not_committed(store: Store) -> None:
    upload = await open_upload(store, size=10)
    assert (await append(store, upload, 0, b"12345678901")).status_code == 413
    await append(store, upload, 0, b"12345")
    early = await store.http.post(f"uploads/{upload}/commit")
    assert (early.status_code, early.json()["slug"]) == (409, "conflict")
    assert "5 of 10 bytes" in early.json()["message"]
    await append(store, upload, 5, b"67890")
    assert (await store.http.post(f"uploads/{upload}/commit")).status_code == 201


async def test_a_piece_that_was_damaged_is_taken_back(store: Store) -> None:
    upload = await open_upload(store)
    await append(store, upload, 0, b"good")
    digest = base64.b64encode(hashlib.sha256(b"piece").digest()).decode()
    announced = {"Content-Digest": f"sha-256=:{digest}:"}
    damaged = await append(store, upload, 4, b"p1ece", **announced)
    assert (damaged.status_code, damaged.json()["slug"]) == (400, "digest_mismatch")
    assert (await append(store, upload, 4, b"piece", **announced)).status_code == 204
    committed = (await store.http.post(f"uploads/{upload}/commit")).json()
    assert committed["sha256"] == hashlib.sha256(b"goodpiece").hexdigest()


async def test_a_whole_that_is_not_what_was_announced_is_no_version(store: Store) -> None:
    upload = await open_upload(store, sha256=SHA256)
    await append(store, upload, 0, DATA[:-1] + b"\0")
    response = await store.http.post(f"uploads/{upload}/commit")
    assert (response.status_code, response.json()["slug"]) == (400, "digest_mismatch")
    assert (await store.client.list_versions()).items == []
    assert (store.objects(), store.incoming()) == ([], [])
    # Its bytes can come again
    assert (await append(store, upload, 0, DATA)).is_success
    assert (await store.http.post(f"uploads/{upload}/commit")).status_code == 201


async def test_the_rules_of_names_and_attempts_hold(store: Store) -> None:
    assert (await store.http.post("uploads", json={**REQUEST, "filename": "../x"})).json()["slug"] == "unsafe_path"
    await store.upload(b"other", "long.bin", attempt=1)
    for data, status in ((b"different", 409), (b"other", 200)):
        upload = await open_upload(store)
        await append(store, upload, 0, data)
        assert (await store.http.post(f"uploads/{upload}/commit")).status_code == status
    taken = await store.http.post("uploads", json={**REQUEST, "task_id": 2})
    assert (taken.status_code, taken.json()["slug"]) == (409, "product_exists")
    assert (len(store.objects()), store.incoming()) == (1, [])


async def test_an_upload_that_is_given_up_leaves_nothing(store: Store) -> None:
    upload = await open_upload(store)
    await append(store, upload, 0, DATA)
    assert uploads(store) == [len(DATA)]
    assert (await store.http.delete(f"uploads/{upload}")).status_code == 204
    assert uploads(store) == []
    assert (await store.http.head(f"uploads/{upload}")).status_code == 404
    assert (await append(store, upload, 0, b"x")).status_code == 404


async def test_a_later_request_takes_over_from_one_that_hangs(store: Store) -> None:
    upload = await open_upload(store)
    arrived, ended = asyncio.Event(), asyncio.Event()

    async def hang() -> AsyncIterator[bytes]:
        yield b"x" * BLOCK_SIZE
        yield b"y"
        arrived.set()
        await ended.wait()
        yield b"z"

    hanging = asyncio.create_task(store.http.patch(f"uploads/{upload}", content=hang(), headers={"Upload-Offset": "0"}))
    await arrived.wait()
    offset = int((await store.http.head(f"uploads/{upload}")).headers["upload-offset"])
    response = await append(store, upload, BLOCK_SIZE, b"rest")
    ended.set()
    assert offset in {0, BLOCK_SIZE}  # what came is being written
    assert (response.status_code, response.headers["upload-offset"]) == (204, str(BLOCK_SIZE + 4))
    assert (await hanging).status_code == 409
    committed = (await store.http.post(f"uploads/{upload}/commit")).json()
    assert committed["sha256"] == hashlib.sha256(b"x" * BLOCK_SIZE + b"rest").hexdigest()


@pytest.mark.every_database
async def test_uploads_that_nobody_completes_expire(place: Place, wait_until: WaitUntil) -> None:
    factory = ProductStoreRuntime(place.settings.model_copy(update={"upload_hours": 1e-9, "tidy_seconds": 0.01}))
    factory.prepare()
    await factory.start()
    try:
        abandoned = place.root / "archive" / "uploads" / ("0" * 32)
        abandoned.write_bytes(b"x")
        old = int((datetime.now(UTC) - timedelta(days=1)).timestamp() * 1e6)
        place.change(
            "INSERT INTO upload (upload_id, deposit, touched_at) VALUES (:id, :deposit, :old)",
            id=abandoned.name,
            deposit='{"promise": {}}',
            old=old,
        )
        await asyncio.to_thread(wait_until, lambda: not abandoned.exists())
        await factory.uploads.expire()
        with pytest.raises(NotFoundError, match="expired"):
            await factory.uploads.find(abandoned.name)
    finally:
        await factory.stop()


async def test_the_client_uploads_long_files_in_pieces(store: Store) -> None:
    store.client.piecewise_above = 1000
    assert (await store.upload(DATA)).sha256 == SHA256
    assert (await store.upload(DATA)).sha256 == SHA256
    with pytest.raises(VersionExistsError):
        await store.upload(b"x" * 2000)
    assert (len(store.objects()), uploads(store)) == (1, [])


# --- a store in a process of its own ----------------------------------------------------------------------------


def test_what_came_before_a_connection_broke_off_stays(store_process: StoreProcess, wait_until: WaitUntil) -> None:
    store = store_process
    store.start()
    upload = httpx.post(f"{store.url}/uploads", json=REQUEST, timeout=PATIENCE_S).json()["upload_id"]
    with socket.create_connection(("127.0.0.1", store.port)) as connection:
        head = f"PATCH /uploads/{upload} HTTP/1.1\r\nHost: store\r\nUpload-Offset: 0\r\n"
        head += f"Content-Length: {len(DATA)}\r\n\r\n"
        connection.sendall(head.encode() + DATA[:2_500_000])
    wait_until(lambda: uploads(store) == [2_500_000])
    answer = httpx.patch(
        f"{store.url}/uploads/{upload}",
        content=DATA[2_500_000:],
        headers={"Upload-Offset": "2500000"},
        timeout=PATIENCE_S,
    )
    assert answer.status_code == 204
    assert httpx.post(f"{store.url}/uploads/{upload}/commit", timeout=PATIENCE_S).json()["sha256"] == SHA256


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_the_client_goes_on_when_the_store_was_killed(store_process: StoreProcess, wait_until: WaitUntil) -> None:
    store = store_process
    data = os.urandom(48 << 20)
    path = store.write("long", data)
    store.start()
    async with ProductStoreClient(store.url, None, piecewise_above=1 << 20) as client:
        upload = asyncio.create_task(
            client.upload(path, directory="d", filename="f", semantic_type="t", attempt_id=1, task_id=1, job_id=1)
        )
        for reached in (8 << 20, 24 << 20):

            def is_far(goal: int = reached) -> bool:
                return sum(uploads(store)) >= goal or upload.done()

            await asyncio.to_thread(wait_until, is_far)
            await asyncio.to_thread(store.kill)
            before = sum(uploads(store))
            await asyncio.to_thread(store.start)
            assert sum(uploads(store)) == before
        version = await upload
    assert version.sha256 == hashlib.sha256(data).hexdigest()
    assert store.fetch("SELECT count(*) FROM upload") == [(1,)], "it began anew"
    assert store.objects()[0].read_bytes() == data
    assert (store.incoming(), uploads(store)) == ([], [])


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_killed_at_random_moments_an_upload_becomes_one_whole_version(store_process: StoreProcess) -> None:
    store = store_process
    data = os.urandom(12 << 20)
    path = store.write("long", data)
    store.start()
    for attempt in range(1, 1 + int(os.environ.get("EAS_TEST_KILLS", "3"))):
        async with ProductStoreClient(store.url, None, piecewise_above=1 << 20) as client:
            call = client.upload(
                path, directory="d", filename="f", semantic_type="t", attempt_id=attempt, task_id=1, job_id=1
            )
            upload = asyncio.create_task(call)
            with suppress(TimeoutError, UnavailableError):
                await asyncio.wait_for(asyncio.shield(upload), 0.02 + 0.05 * (attempt % 7))
            await asyncio.to_thread(store.kill)
            await asyncio.to_thread(store.start)
            version = await upload
        assert version.sha256 == hashlib.sha256(data).hexdigest()
        rows = store.fetch("SELECT store_name FROM version WHERE attempt_id = :attempt", attempt=attempt)
        assert len(rows) == 1
        assert (store.root / "archive" / "objects" / rows[0][0][:2] / rows[0][0]).read_bytes() == data
        assert store.incoming() == []
