"""What every archive has to do, on a local disk and in object storage: the store on top must not tell them apart."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from eas.client.product_store import ProductStoreClient
from eas.contracts.errors import DamagedError, DigestMismatchError, UnavailableError
from eas.contracts.products import VersionView
from eas_product_store.main import create_app, open_copies
from eas_product_store.settings import ProductStoreSettings
from tests.integration.product_store.object_storage import (
    Bucket,
    Door,
)

LONG = bytes(range(256)) * 4096 * 20  # 20 MiB: several parts


class FolderContents:
    """An archive on a disk, seen past the store."""

    def __init__(self, root: Path) -> None:
        self.root = root / "archive"
        self.spool = self.root

    def settings(self) -> dict[str, object]:
        return {"archive": self.root}

    def objects(self, folder: str = "objects") -> dict[str, bytes]:
        paths = (path for path in (self.root / folder).rglob("*") if path.is_file())
        return {str(path.relative_to(self.root)): path.read_bytes() for path in paths}

    def put(self, key: str, content: bytes) -> None:
        path = self.root / key
        path.unlink(missing_ok=True)
        path.write_bytes(content)

    def remove(self, key: str) -> None:
        (self.root / key).unlink()


class BucketContents:
    """An archive in a bucket, seen past the store."""

    def __init__(self, root: Path, bucket: Bucket, endpoint: str) -> None:
        self.spool = root / "spool"
        self.bucket = bucket
        self.endpoint = endpoint

    def settings(self) -> dict[str, object]:
        return {"archive": self.bucket.url, "spool": self.spool, "s3_endpoint": self.endpoint}

    def objects(self, folder: str = "objects") -> dict[str, bytes]:
        return self.bucket.list(folder)

    def put(self, key: str, content: bytes) -> None:
        self.bucket.contents.put(key, content)

    def remove(self, key: str) -> None:
        self.bucket.contents.delete(key)


Contents = FolderContents | BucketContents


@dataclass
class RunningStore:
    """A store on some archive."""

    client: ProductStoreClient
    http: httpx.AsyncClient
    archive: Contents
    root: Path

    async def upload(self, data: bytes, filename: str = "f", *, attempt: int = 1) -> VersionView:
        path = self.root / "upload.tmp"
        path.write_bytes(data)
        return await self.client.upload(
            path, directory="d", filename=filename, semantic_type="t", attempt_id=attempt, task_id=1, job_id=1
        )

    def harm(self) -> str:
        """Flip a byte of the only object."""
        ((key, content),) = self.archive.objects().items()
        self.archive.put(key, content[:-1] + bytes([content[-1] ^ 1]))
        return key

    def incoming(self) -> list[str]:
        return [path.name for folder in ("incoming", "uploads") for path in (self.archive.spool / folder).iterdir()]


@pytest.fixture(params=["folder", "bucket"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Contents:
    if request.param == "folder":
        return FolderContents(tmp_path)
    found: Bucket = request.getfixturevalue("bucket")
    return BucketContents(tmp_path, found, found.endpoint)


async def run_store(root: Path, archive: Contents) -> AsyncIterator[RunningStore]:
    settings = ProductStoreSettings.model_validate(
        {"database_url": f"sqlite:///{root}/store.db", "scrub_mb_per_second": 0, **archive.settings()}
    )
    app = create_app(settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        ProductStoreClient("http://store", None, transport=transport) as client,
        httpx.AsyncClient(base_url="http://store", transport=transport) as http,
    ):
        yield RunningStore(client, http, archive, root)


@pytest.fixture
async def store(tmp_path: Path, archive: Contents) -> AsyncIterator[RunningStore]:
    async for found in run_store(tmp_path, archive):
        yield found


@pytest.mark.parametrize("data", [b"", b"short", LONG], ids=["empty", "short", "long"])
async def test_what_goes_in_comes_out(store: RunningStore, data: bytes) -> None:
    version = await store.upload(data)
    assert await store.client.read(version.version_id) == data
    assert list(store.archive.objects().values()) == [data]
    assert store.incoming() == []
    assert (await store.http.get("health/ready")).status_code == 200


@pytest.mark.parametrize(
    ("header", "begin", "end"),
    [("bytes=2-5", 2, 6), ("bytes=-7", len(LONG) - 7, len(LONG)), ("bytes=8388600-17000000", 8388600, 17000001)],
)
async def test_a_range_comes_out(store: RunningStore, header: str, begin: int, end: int) -> None:
    version = await store.upload(LONG)
    answer = await store.http.get(f"versions/{version.version_id}/content", headers={"Range": header})
    assert (answer.status_code, answer.content == LONG[begin:end]) == (206, True)
    head = await store.http.head(f"versions/{version.version_id}/content")
    assert head.headers["Content-Length"] == str(len(LONG))


async def test_refused_bytes_leave_nothing(store: RunningStore) -> None:
    await store.upload(b"first")
    query: dict[str, str | int] = {
        "directory": "d",
        "filename": "f",
        "semantic_type": "t",
        "attempt_id": 1,
        "task_id": 1,
        "job_id": 1,
    }
    refused = await store.http.put("versions", params=query, content=b"other")
    assert refused.json()["slug"] == "version_exists"
    wrong = {"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}
    refused = await store.http.put("versions", params=query | {"attempt_id": 2}, content=b"other", headers=wrong)
    assert refused.json()["slug"] == "digest_mismatch"
    assert list(store.archive.objects().values()) == [b"first"]
    assert store.incoming() == []


async def test_uploads_in_pieces(store: RunningStore) -> None:
    query: dict[str, str | int] = {
        "directory": "d",
        "filename": "f",
        "semantic_type": "t",
        "attempt_id": 1,
        "task_id": 1,
        "job_id": 1,
    }
    upload = (await store.http.post("uploads", json=query)).json()["upload_id"]
    for begin in range(0, len(LONG), 9_000_000):
        piece = LONG[begin : begin + 9_000_000]
        sent = await store.http.patch(f"uploads/{upload}", content=piece, headers={"Upload-Offset": str(begin)})
        assert sent.status_code == 204
    version = (await store.http.post(f"uploads/{upload}/commit")).json()
    assert await store.client.read(version["version_id"]) == LONG
    assert store.incoming() == []


async def test_many_small_versions_at_once(store: RunningStore) -> None:
    deposits = [
        {
            "directory": "d",
            "filename": f"f{number}",
            "semantic_type": "t",
            "attempt_id": number,
            "task_id": number,
            "job_id": 1,
            "content": b64encode(content).decode(),
        }
        for number, content in enumerate([b"1", b"2", b"2", b""])
    ]
    answers = (await store.http.post("deposits", json={"deposits": deposits})).json()["answers"]
    versions = [answer["version"]["version_id"] for answer in answers]
    assert [await store.client.read(version) for version in versions] == [b"1", b"2", b"2", b""]
    assert sorted(store.archive.objects().values()) == [b"", b"1", b"2"]
    assert store.incoming() == []


async def test_equal_bytes_are_stored_once_and_go_with_the_last(store: RunningStore) -> None:
    versions = [await store.upload(b"same", f"f{number}", attempt=number) for number in (1, 2)]
    assert list(store.archive.objects().values()) == [b"same"]
    for version, left in zip(versions, ([b"same"], []), strict=True):
        await store.client.remove(version.version_id, running_jobs=[])
        await store.http.post("garbage/collect", json={"grace_hours": 0})
        assert list(store.archive.objects().values()) == left
    assert (await store.http.get(f"versions/{versions[0].version_id}/content")).status_code == 410


async def test_equal_bytes_heal_damage_that_nobody_has_seen(store: RunningStore) -> None:
    first = await store.upload(b"same", "f1")
    store.harm()
    await store.upload(b"same", "f2", attempt=2)
    assert await store.client.read(first.version_id) == b"same"


@pytest.mark.parametrize("data", [b"short", LONG], ids=["short", "long"])
async def test_damaged_bytes_go_to_quarantine_and_heal(store: RunningStore, data: bytes) -> None:
    version = await store.upload(data)
    store.harm()

    report = await store.client.check_fixity()

    assert report.damaged == [version.version_id]
    with pytest.raises(DamagedError):
        await store.client.read(version.version_id)
    (damage,) = (await store.client.list_damages()).items
    quarantined = store.archive.objects("quarantine")
    assert list(quarantined) == [f"quarantine/{damage.quarantined_as}"]
    assert next(iter(quarantined.values()))[:-1] == data[:-1]
    assert store.archive.objects() == {}
    await store.upload(data, attempt=2)
    assert await store.client.read(version.version_id) == data
    assert (await store.client.check_fixity()).damaged == []


async def test_missing_bytes_are_found_and_heal_when_they_are_back(store: RunningStore) -> None:
    version = await store.upload(b"precious")
    ((key, content),) = store.archive.objects().items()
    store.archive.remove(key)
    assert (await store.client.check_fixity()).damaged == [version.version_id]
    (damage,) = (await store.client.list_damages()).items
    assert damage.custody == "missing"
    store.archive.put(key, content)
    assert (await store.client.check_fixity()).healed == [version.version_id]
    assert await store.client.read(version.version_id) == content


async def test_files_that_no_version_names_are_listed_and_removed(store: RunningStore) -> None:
    await store.upload(b"named")
    keys = {f"objects/ab/ab{number:02}" for number in range(3)} | {"objects/ff/README"}
    for key in keys:
        store.archive.put(key, b"12")
    assert (await store.client.find_orphans()).orphans == []  # they are fresh
    found = await store.client.find_orphans(older_than_hours=0)
    names = [orphan.name for orphan in found.orphans]
    assert (names, found.checked) == (["ab00", "ab01", "ab02", "ff/README"], 5)
    page = (await store.http.post("fixity/orphans", json={"limit": 2, "older_than_hours": 0})).json()
    rest = {"after": page["next_after"], "older_than_hours": 0}
    rest = (await store.http.post("fixity/orphans", json=rest)).json()
    assert page["checked"] + rest["checked"] == 5
    assert (await store.client.find_orphans(older_than_hours=0, remove=True)).removed
    assert list(store.archive.objects().values()) == [b"named"]


async def test_the_store_starts_again_on_what_it_has(tmp_path: Path, archive: Contents) -> None:
    async for store in run_store(tmp_path, archive):
        version = await store.upload(b"kept")
    # What a killed process left: bytes in their place, and the incoming name
    archive.put("objects/ab/abandoned", b"no row")
    (archive.spool / "incoming" / "abandoned").write_bytes(b"no row")
    async for store in run_store(tmp_path, archive):
        assert await store.client.read(version.version_id) == b"kept"
        assert list(archive.objects().values()) == [b"kept"]
        assert store.incoming() == []


# --- of object storage alone ------------------------------------------------------------------------------------------


@pytest.fixture
async def behind_door(tmp_path: Path, bucket: Bucket, door: Door) -> AsyncIterator[RunningStore]:
    async for found in run_store(tmp_path, BucketContents(tmp_path, bucket, door.url)):
        yield found


async def test_a_full_bucket_is_507_and_recovers(behind_door: RunningStore, door: Door) -> None:
    query: dict[str, str | int] = {
        "directory": "d",
        "filename": "f",
        "semantic_type": "t",
        "attempt_id": 1,
        "task_id": 1,
        "job_id": 1,
    }
    door.refuse = lambda method, _: (400, "XMinioStorageFull") if method == "PUT" else None
    refused = await behind_door.http.put("versions", params=query, content=b"data")
    assert (refused.status_code, refused.json()["slug"]) == (507, "insufficient_storage")
    door.refuse = lambda *_: None
    assert (await behind_door.http.put("versions", params=query, content=b"data")).is_success
    assert len(behind_door.archive.objects()) == 1


@pytest.mark.parametrize("failure", [(403, "AccessDenied"), (404, "NoSuchBucket")])
async def test_trouble_of_the_object_storage_is_503_and_no_damage(
    behind_door: RunningStore, door: Door, failure: tuple[int, str]
) -> None:
    version = await behind_door.upload(b"sound")
    door.refuse = lambda *_: failure
    with pytest.raises(UnavailableError):
        await behind_door.client.read(version.version_id)
    refused = await behind_door.http.post("fixity/checks")
    assert (refused.status_code, refused.json()["slug"]) == (503, "unavailable")
    query: dict[str, str | int] = {
        "directory": "d",
        "filename": "g",
        "semantic_type": "t",
        "attempt_id": 1,
        "task_id": 1,
        "job_id": 1,
    }
    assert (await behind_door.http.put("versions", params=query, content=b"data")).status_code == 503
    assert (await behind_door.http.get("health/ready")).status_code == 503
    door.refuse = lambda *_: None
    assert await behind_door.client.read(version.version_id) == b"sound"
    assert (await behind_door.client.check_fixity()).damaged == []


async def test_damage_is_put_aside_when_the_bucket_is_back(behind_door: RunningStore, door: Door) -> None:
    version = await behind_door.upload(b"precious")
    behind_door.harm()
    door.refuse = lambda method, _: (404, "NoSuchBucket") if method == "HEAD" else None
    with pytest.raises(UnavailableError):
        await behind_door.client.read(version.version_id)
    (damage,) = (await behind_door.client.list_damages()).items
    assert damage.custody == "pending"
    door.refuse = lambda *_: None
    with pytest.raises(DamagedError):
        await behind_door.client.read(version.version_id)
    await behind_door.client.check_fixity()
    (damage,) = (await behind_door.client.list_damages()).items
    assert list(behind_door.archive.objects("quarantine")) == [f"quarantine/{damage.quarantined_as}"]


async def test_a_bucket_of_this_machine_is_reached_past_a_proxy(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    async for found in run_store(tmp_path, BucketContents(tmp_path, bucket, bucket.endpoint)):
        assert (await found.upload(b"abc")).size == 3
    assert list(bucket.list("objects").values()) == [b"abc"]


async def test_another_bucket_is_not_taken_for_this_one(tmp_path: Path, bucket: Bucket) -> None:
    archive = BucketContents(tmp_path, bucket, bucket.endpoint)
    async for store in run_store(tmp_path, archive):
        await store.upload(b"kept")
    elsewhere = Bucket(bucket.endpoint, bucket.name, "elsewhere")
    with pytest.raises(Exception, match="is not the archive that"):
        async for _ in run_store(tmp_path, BucketContents(tmp_path, elsewhere, bucket.endpoint)):
            pass
    missing = Bucket(bucket.endpoint, "no-such-bucket")
    with pytest.raises(Exception, match="there is no such bucket"):
        async for _ in run_store(tmp_path, BucketContents(tmp_path / "new", missing, bucket.endpoint)):
            pass


@pytest.mark.parametrize("data", [b"", b"short", LONG], ids=["empty", "short", "long"])
async def test_bytes_are_copied_out_of_a_busy_archive_and_into_one_that_rests(
    tmp_path: Path, archive: Contents, data: bytes
) -> None:
    settings = ProductStoreSettings.model_validate(archive.settings())
    md5, sha256 = hashlib.md5(data, usedforsecurity=False).hexdigest(), hashlib.sha256(data).hexdigest()
    async for store in run_store(tmp_path, archive):
        await store.upload(data)
        ((key, _),) = archive.objects().items()
        name = key.rpartition("/")[2]
        copies = open_copies(settings)
        assert b"".join([block async for block in copies.read(name)]) == data
        with pytest.raises(UnavailableError, match="another process uses"), copies.alone():
            pass

    copies = open_copies(settings)
    archive.remove(key)
    with copies.alone():
        assert await copies.find_digest(name) is None
        await copies.write(name, _give(data), md5=md5, sha256=sha256, size=len(data))
        assert await copies.find_digest(name) == sha256
        with pytest.raises(DigestMismatchError):
            await copies.write(name, _give(b"other"), md5=md5, sha256=sha256, size=len(data))
        assert await copies.find_digest(name) == sha256
    assert list(archive.objects().values()) == [data]


async def _give(data: bytes) -> AsyncIterator[bytes]:
    yield data
