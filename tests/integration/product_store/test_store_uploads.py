"""Uploads: bytes first, row second, and nothing of what is refused."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import resource
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from sqlalchemy import Connection

from eas.contracts.digests import Digests
from eas.contracts.errors import (
    DamagedError,
    ProductExistsError,
    TooLargeError,
    UnavailableError,
    VersionExistsError,
)
from eas.contracts.products import PlannedProduct
from eas.database.committer import Database
from eas.database.migrations import upgrade_schema
from eas_product_store.domain.product import Promise
from eas_product_store.domain.version import Deposit
from eas_product_store.logic.deposit import DepositService, Receipt
from eas_product_store.logic.ports import CatalogAccess
from eas_product_store.logic.quarantine import Quarantine
from eas_product_store.logic.recovery import Recovery
from eas_product_store.runtime import MIGRATIONS
from eas_product_store.storage.archive import FileArchive
from eas_product_store.storage.catalog import DatabaseCatalog, SqlCatalog
from eas_product_store.storage.spool import ArchiveError

pytestmark = pytest.mark.sqlite_only

if TYPE_CHECKING:
    from tests.integration.product_store.conftest import Place, Store

T = TypeVar("T")

DATA = b"time flux\n0.0 1.0\n"
MD5 = hashlib.md5(DATA).hexdigest()
SHA256 = hashlib.sha256(DATA).hexdigest()
QUERY: dict[str, Any] = {
    "directory": "d",
    "filename": "lc.txt",
    "semantic_type": "lightcurve",
    "attempt_id": 1,
    "task_id": 1,
    "job_id": 1,
}


async def count_everything(store: Store) -> tuple[int, int, int, int]:
    """Count products, versions, files in place and files incoming."""
    products = (await store.client.list_products()).items
    versions = (await store.client.list_versions()).items
    return len(products), len(versions), len(store.objects()), len(store.incoming())


async def test_an_upload_becomes_a_durable_version(store: Store) -> None:
    response = await store.http.put(
        "versions",
        params={**QUERY, "mime_type": "text/plain"},
        content=DATA,
        headers={"EAS-Metadata": json.dumps({"index": 0, "ratio": 1.0, "star": "é"})},
    )
    assert response.status_code == 201
    view = response.json()
    assert (view["md5"], view["sha256"], view["size"]) == (MD5, SHA256, len(DATA))
    assert view["metadata"] == {"index": 0, "ratio": 1.0, "star": "é"}
    assert type(view["metadata"]["index"]) is int
    assert (view["mime_type"], view["passed_qc"], view["damaged"]) == ("text/plain", None, False)
    assert response.headers["etag"] == f'"{MD5}"'
    assert base64.b64encode(bytes.fromhex(SHA256)).decode() in response.headers["content-digest"]
    assert [path.read_bytes() for path in store.objects()] == [DATA]
    assert store.incoming() == []
    assert (await store.client.get_version(view["version_id"])).sha256 == SHA256


async def test_no_file_is_called_by_what_a_user_named_it(store: Store) -> None:
    await store.upload(DATA, "CON", directory="aux/nul")
    assert [path.name for path in store.objects() if "CON" in str(path.relative_to(store.root))] == []
    assert (await store.client.list_directories()).items[0].directory == "aux/nul"


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5_000_000])
async def test_every_size_arrives_whole(store: Store, size: int) -> None:
    data = os.urandom(size)
    version = await store.upload(data)
    assert (version.size, version.sha256) == (size, hashlib.sha256(data).hexdigest())
    target = store.root / "back"
    await store.client.download(version.version_id, target, sha256=version.sha256)
    assert target.read_bytes() == data


async def test_a_body_in_many_small_pieces_arrives_whole(store: Store) -> None:
    async def drops() -> AsyncIterator[bytes]:
        for number in range(2000):
            yield b"%d," % number

    response = await store.http.put("versions", params=QUERY, content=drops())
    whole = b"".join([b"%d," % number for number in range(2000)])
    assert response.json()["md5"] == hashlib.md5(whole).hexdigest()
    assert store.objects()[0].read_bytes() == whole


WRONG = {
    "Content-MD5": hashlib.md5(b"other").hexdigest(),
    "Content-Digest": "sha-256=:" + base64.b64encode(hashlib.sha256(b"other").digest()).decode() + ":",
    "Repr-Digest": "md5=:" + base64.b64encode(hashlib.md5(b"other").digest()).decode() + ":",
}


@pytest.mark.parametrize("header", WRONG)
async def test_bytes_that_are_not_those_announced_leave_nothing(store: Store, header: str) -> None:
    response = await store.http.put("versions", params=QUERY, content=DATA, headers={header: WRONG[header]})
    assert (response.status_code, response.json()["slug"]) == (400, "digest_mismatch")
    assert await count_everything(store) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("headers", "status", "slug"),
    [
        ({"Content-Encoding": "gzip"}, 415, "unsupported_media"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415, "unsupported_media"),
        ({"Content-Range": "bytes 0-16/99"}, 422, "invalid_input"),
    ],
)
async def test_a_body_that_is_not_the_bytes_themselves_is_refused(
    store: Store, headers: dict[str, str], status: int, slug: str
) -> None:
    answer = await store.http.put("versions", params=QUERY, content=DATA, headers=headers)
    (name,) = headers
    assert (answer.status_code, answer.json()["slug"]) == (status, slug)
    assert answer.json()["where"] == f"header.{name}"
    assert store.objects() == []
    assert (await store.http.get("versions")).json()["items"] == []
    plain = {"Content-Encoding": "identity", "Content-Type": "application/x-www-form-urlencoded"}
    assert (await store.http.put("versions", params=QUERY, content=DATA, headers=plain)).status_code == 201


async def test_bytes_as_announced_in_every_form_are_taken(store: Store) -> None:
    headers = {"Content-MD5": MD5, "Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(SHA256)).decode()}:"}
    assert (await store.http.put("versions", params=QUERY, content=DATA, headers=headers)).status_code == 201


@pytest.mark.parametrize(
    ("change", "slug", "where"),
    [
        ({"filename": "../x"}, "unsafe_path", "query.filename"),
        ({"filename": "a/b"}, "unsafe_path", "query.filename"),
        ({"filename": "a\0b"}, "unsafe_path", "query.filename"),
        ({"directory": "/etc"}, "unsafe_path", "query.directory"),
        ({"directory": "a/../.."}, "unsafe_path", "query.directory"),
        ({"directory": "x" * 4000}, "invalid_input", "query.directory"),
        ({"filename": "e\u0301"}, "unsafe_path", "query.filename"),
        ({"filename": ""}, "invalid_input", "query.filename"),
        ({"semantic_type": "a\nb"}, "invalid_input", "query.semantic_type"),
        ({"mime_type": "text/html\r\nX: y"}, "invalid_input", "query.mime_type"),
        ({"attempt_id": -1}, "invalid_input", "query.attempt_id"),
        ({"attempt_id": 2**63}, "invalid_input", "query.attempt_id"),
        ({"attempt_id": "x"}, "invalid_input", "query.attempt_id"),
    ],
)
async def test_names_that_would_do_harm_are_refused_before_anything_is_written(
    store: Store, change: dict[str, Any], slug: str, where: str
) -> None:
    response = await store.http.put("versions", params={**QUERY, **change}, content=DATA)
    assert (response.status_code, response.json()["slug"], response.json()["where"]) == (422, slug, where)
    assert await count_everything(store) == (0, 0, 0, 0)


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": NaN}'])
async def test_metadata_that_is_not_an_object_of_finite_values_is_refused(store: Store, text: str) -> None:
    response = await store.http.put("versions", params=QUERY, content=DATA, headers={"EAS-Metadata": text})
    assert (response.status_code, response.json()["slug"]) == (422, "invalid_input")
    assert await count_everything(store) == (0, 0, 0, 0)


async def test_the_same_bytes_again_give_the_same_version(store: Store) -> None:
    first = await store.upload(DATA)
    response = await store.http.put("versions", params=QUERY, content=DATA)
    assert (response.status_code, response.json()["version_id"]) == (200, first.version_id)
    assert await count_everything(store) == (1, 1, 1, 0)


async def test_other_bytes_by_the_same_attempt_are_refused(store: Store) -> None:
    first = await store.upload(DATA)
    with pytest.raises(VersionExistsError, match=f"version {first.version_id}"):
        await store.upload(b"other")
    assert await count_everything(store) == (1, 1, 1, 0)
    assert (await store.http.get(f"versions/{first.version_id}/content")).content == DATA


async def test_every_attempt_makes_a_version_of_its_own(store: Store) -> None:
    first = await store.upload(DATA, attempt=1)
    second = await store.upload(b"other", attempt=2)
    assert first.product_id == second.product_id
    assert await count_everything(store) == (1, 2, 2, 0)


@pytest.mark.parametrize("size", [10, 2 << 20])
async def test_a_name_that_another_task_promised_is_refused(store: Store, size: int) -> None:
    promise = PlannedProduct(
        directory="d", filename="lc.txt", semantic_type="lightcurve", generator_task_id=7, job_id=1
    )
    await store.client.plan([promise])
    with pytest.raises(ProductExistsError, match="promised by task 7"):
        await store.upload(b"x" * size)
    assert await count_everything(store) == (1, 0, 0, 0)


async def test_uploads_of_one_version_at_once_make_one_version(store: Store) -> None:
    calls = [store.http.put("versions", params=QUERY, content=DATA) for _ in range(8)]
    responses = await asyncio.gather(*calls)
    assert sorted(response.status_code for response in responses) == [200] * 7 + [201]
    assert len({response.json()["version_id"] for response in responses}) == 1
    assert await count_everything(store) == (1, 1, 1, 0)


async def test_a_disk_that_is_full_is_said_to_be_and_recovers(store: Store) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    data = os.urandom(3 << 20)
    path = store.write("long", data)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        response = await store.http.put("versions", params=QUERY, content=path.read_bytes())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (response.status_code, response.json()["slug"]) == (507, "insufficient_storage")
    assert "disk is full" in response.json()["message"]
    assert await count_everything(store) == (0, 0, 0, 0)
    assert (await store.upload(data)).size == len(data)


# --- the deposit_service by itself -----------------------------------------------------------------------------------


class FailingCatalog:
    """A catalogue of which a commit fails, before or after it took effect, and those that follow without effect.

    Parameters
    ----------
    failures
        How many fail.
    """

    def __init__(self, real: DatabaseCatalog, *, after: bool, error: Exception, failures: int = 1) -> None:
        self._real = real
        self._after = after
        self._error = error
        self._failures = failures

    async def write(self, command: Callable[[SqlCatalog], T]) -> T:
        if not self._failures:
            return await self._real.write(command)
        self._failures -= 1
        if self._after:
            await self._real.write(command)
            self._after = False
        raise self._error

    async def read(self, query: Callable[[SqlCatalog], T]) -> T:
        return await self._real.read(query)


@pytest.fixture
async def catalog(place: Place) -> AsyncIterator[DatabaseCatalog]:
    upgrade_schema(place.settings.database_url, MIGRATIONS)
    database = Database(place.settings.database_url)
    await database.start()
    yield DatabaseCatalog(database)
    await database.stop()


@pytest.fixture
def archive(place: Place) -> Iterator[FileArchive]:
    found = FileArchive(place.root / "archive", threads=2)
    found.start()
    yield found
    found.stop()


def make_depositary(
    catalog: CatalogAccess, archive: FileArchive, *, max_size: int = 1 << 30, recovery: Recovery | None = None
) -> DepositService:
    return DepositService(
        catalog,
        archive,
        recovery or Recovery(catalog, archive),
        Quarantine(catalog, archive, lambda: datetime.now(UTC)),
        lambda: datetime.now(UTC),
        max_size=max_size,
    )


def make_deposit() -> Deposit:
    promise = Promise(
        directory="d",
        filename="f",
        semantic_type="t",
        mime_type=None,
        generator_task_id=1,
        job_id=1,
        planned_at=datetime.now(UTC),
        metadata={},
        planned=False,
    )
    return Deposit(promise=promise, attempt_id=1, mime_type=None, metadata={})


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


FAILURES = [OSError("the disk went away"), UnavailableError("the database went away")]


@pytest.mark.parametrize("error", FAILURES, ids=["disk", "database"])
async def test_a_commit_that_fails_takes_the_bytes_with_it(
    place: Place, catalog: DatabaseCatalog, archive: FileArchive, error: Exception
) -> None:
    deposit_service = make_depositary(FailingCatalog(catalog, after=False, error=error), archive)
    with pytest.raises(type(error), match="went away"):
        await deposit_service.receive(make_deposit(), pieces(DATA), Digests())
    assert (place.objects(), place.incoming()) == ([], [])


@pytest.mark.parametrize("error", FAILURES, ids=["disk", "database"])
async def test_a_commit_that_only_seems_to_fail_keeps_the_bytes(
    place: Place, catalog: DatabaseCatalog, archive: FileArchive, error: Exception
) -> None:
    deposit_service = make_depositary(FailingCatalog(catalog, after=True, error=error), archive)
    with pytest.raises(type(error), match="went away"):
        await deposit_service.receive(make_deposit(), pieces(DATA), Digests())
    assert [path.read_bytes() for path in place.objects()] == [DATA]
    assert place.incoming() == []
    receipt = await make_depositary(catalog, archive).receive(make_deposit(), pieces(DATA), Digests())
    assert not receipt.is_new


@pytest.mark.parametrize("after", [False, True])
async def test_while_nobody_can_tell_what_became_of_a_commit_the_bytes_stay_and_then_it_is_decided(
    place: Place, catalog: DatabaseCatalog, archive: FileArchive, after: bool
) -> None:
    failing = FailingCatalog(catalog, after=after, error=UnavailableError("the database went away"), failures=3)
    recovery = Recovery(failing, archive)
    with pytest.raises(UnavailableError):
        await make_depositary(failing, archive, recovery=recovery).receive(make_deposit(), pieces(DATA), Digests())
    assert [path.read_bytes() for path in place.objects()] == [DATA]
    assert len(place.incoming()) == 1
    with pytest.raises(UnavailableError):
        await recovery.decide()
    assert len(place.objects()) == 1
    await recovery.decide()
    assert (len(place.objects()), place.incoming()) == (int(after), [])
    receipt = await make_depositary(catalog, archive).receive(make_deposit(), pieces(DATA), Digests())
    assert (receipt.is_new, len(place.objects())) == (not after, 1)


@pytest.mark.every_database
async def test_a_commit_of_an_earlier_process_that_is_still_under_way_is_waited_for(
    place: Place, catalog: DatabaseCatalog, archive: FileArchive
) -> None:
    incoming = archive.begin()
    await incoming.append([DATA])
    fingerprint = await incoming.finish()
    name = await incoming.publish()
    is_under_way, may_commit = threading.Event(), threading.Event()

    def command(connection: Connection) -> None:
        tables = SqlCatalog(connection)
        product = tables.products.add(make_deposit().promise)
        tables.versions.add(product, make_deposit(), fingerprint, name, datetime.now(UTC))
        is_under_way.set()
        assert may_commit.wait(120)

    earlier = Database(place.settings.database_url)
    await earlier.start()
    commit = asyncio.create_task(earlier.write(command))
    await asyncio.to_thread(is_under_way.wait)
    recovery = asyncio.create_task(Recovery(catalog, archive).run())
    await asyncio.wait([recovery], timeout=0.3)  # time enough to decide wrongly
    may_commit.set()
    await commit
    await earlier.stop()
    assert await recovery == 0
    assert archive.object_path(name).read_bytes() == DATA
    assert place.incoming() == []


class DamageFindingCatalog:
    """A catalogue: when a version has its row, and before its bytes are dealt with, a reader finds them damaged."""

    def __init__(self, real: DatabaseCatalog, quarantine: Quarantine) -> None:
        self._real = real
        self._quarantine = quarantine

    async def write(self, command: Callable[[SqlCatalog], T]) -> T:
        found = await self._real.write(command)
        if isinstance(found, Receipt):
            with pytest.raises(DamagedError):
                await self._quarantine.report(found.version, "other bytes")
        return found

    async def read(self, query: Callable[[SqlCatalog], T]) -> T:
        return await self._real.read(query)


async def test_damage_found_while_the_same_bytes_come_heals_at_once(
    place: Place, catalog: DatabaseCatalog, archive: FileArchive
) -> None:
    quarantine = Quarantine(catalog, archive, lambda: datetime.now(UTC))
    first = await make_depositary(catalog, archive).receive(make_deposit(), pieces(DATA), Digests())
    (path,) = place.objects()
    path.chmod(0o600)
    path.write_bytes(b"damaged")

    finding = make_depositary(DamageFindingCatalog(catalog, quarantine), archive)
    second = await finding.receive(replace(make_deposit(), attempt_id=2), pieces(DATA), Digests())

    versions = await catalog.read(
        lambda tables: tables.versions.find([first.version.version_id, second.version.version_id])
    )
    assert [version.damaged for version in versions.values()] == [False, False]
    assert [path.read_bytes() for path in place.objects()] == [DATA]


async def test_a_body_that_breaks_off_leaves_nothing(
    place: Place, catalog: DatabaseCatalog, archive: FileArchive
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        while not place.incoming():
            yield b"x" * (1 << 20)
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        await make_depositary(catalog, archive).receive(make_deposit(), broken(), Digests())
    assert (place.objects(), place.incoming()) == ([], [])


async def test_a_cancelled_upload_leaves_nothing(place: Place, catalog: DatabaseCatalog, archive: FileArchive) -> None:
    arrived = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * (1 << 20)
            arrived.set()

    upload = asyncio.create_task(make_depositary(catalog, archive).receive(make_deposit(), endless(), Digests()))
    await arrived.wait()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert (place.objects(), place.incoming()) == ([], [])


@pytest.mark.parametrize("announced", [None, 101])
async def test_more_bytes_than_allowed_are_refused(
    place: Place, catalog: DatabaseCatalog, archive: FileArchive, announced: int | None
) -> None:
    deposit_service = make_depositary(catalog, archive, max_size=100)
    with pytest.raises(TooLargeError, match="at most 100 bytes"):
        await deposit_service.receive(make_deposit(), pieces(b"x" * 60, b"x" * 41), Digests(), announced)
    await deposit_service.receive(make_deposit(), pieces(b"x" * 60, b"x" * 40), Digests(), 100)
    assert len(place.objects()) == 1


async def test_what_a_killed_process_left_is_decided_by_the_catalogue(
    place: Place, catalog: DatabaseCatalog, archive: FileArchive
) -> None:
    receipt = await make_depositary(catalog, archive).receive(make_deposit(), pieces(DATA), Digests())
    name = receipt.version.store_name
    # Given a version whose incoming name was not removed, bytes in place without a row, and a half-written file
    archive.incoming_path(name).hardlink_to(archive.object_path(name))
    orphan = archive.begin()
    await orphan.append([b"orphan"])
    await orphan.finish()
    await orphan.publish()
    half = archive.begin()
    await half.append([b"half"])
    await half.finish()
    assert (len(place.objects()), len(place.incoming())) == (2, 3)
    # When a new process looks at them
    removed = await Recovery(catalog, archive).run()
    # Then the version alone stays
    assert removed == 2
    assert [path.name for path in place.objects()] == [name]
    assert place.incoming() == []
    assert archive.object_path(name).read_bytes() == DATA


def test_an_archive_has_one_user(archive: FileArchive, place: Place) -> None:
    with pytest.raises(ArchiveError, match="another process uses this archive"):
        FileArchive(place.root / "archive").start()
    assert archive.object_path("abcd") == (place.root / "archive") / "objects" / "ab" / "abcd"


def test_an_archive_that_was_given_back_can_be_used_again(tmp_path: Path) -> None:
    for _ in range(2):
        found = FileArchive(tmp_path / "archive")
        found.start()
        found.stop()


async def test_a_long_upload_goes_to_the_disk_while_it_comes(store: Store) -> None:
    async def body() -> AsyncIterator[bytes]:
        for number in range(80):
            yield bytes([number]) * (1 << 20)

    query: dict[str, str | int] = {"directory": "d", "filename": "f", "semantic_type": "t"}
    query |= {"attempt_id": 1, "task_id": 1, "job_id": 1}
    response = await store.http.put("versions", params=query, content=body())
    expected = hashlib.sha256(b"".join(bytes([number]) * (1 << 20) for number in range(80))).hexdigest()
    assert (response.status_code, response.json()["sha256"], response.json()["size"]) == (201, expected, 80 << 20)
    found = await asyncio.to_thread(store.objects()[0].read_bytes)
    assert hashlib.sha256(found).hexdigest() == expected
