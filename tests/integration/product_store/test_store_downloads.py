"""Downloads: whole, in part, conditional, and never damaged bytes as good."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from eas.contracts.errors import DamagedError, NotFoundError
from eas.contracts.products import Verdict, VersionView

if TYPE_CHECKING:
    from tests.integration.product_store.conftest import Store

DATA = b"0123456789"
TAG = f'"{hashlib.md5(DATA).hexdigest()}"'
LONG = 3 << 20


@pytest.fixture
def database_kind() -> str:
    """Bytes on their way and on the disk know nothing of what the catalogue is kept in."""
    return "sqlite"


def overwrite(path: Path, data: bytes) -> None:
    """Change bytes behind the store's back."""
    path.chmod(0o600)
    path.write_bytes(data)


async def test_a_whole_version_comes_with_all_that_is_known_of_it(store: Store) -> None:
    version = await store.upload(DATA, "λ report.html")
    response = await store.http.get(f"versions/{version.version_id}/content")
    assert (response.status_code, response.content) == (200, DATA)
    headers = response.headers
    assert headers["etag"] == TAG
    assert base64.b64decode(headers["content-md5"]) == hashlib.md5(DATA).digest()
    assert base64.b64encode(hashlib.sha256(DATA).digest()).decode() in headers["repr-digest"]
    assert headers["content-length"] == "10"
    assert headers["accept-ranges"] == "bytes"
    assert headers["content-type"] == "text/html"
    assert headers["eas-version-id"] == str(version.version_id)
    assert headers["eas-metadata"] == "{}"


async def test_a_page_of_html_can_do_no_harm_to_whoever_looks_at_it(store: Store) -> None:
    version = await store.upload(b"<script>alert(1)</script>", "page.html")
    headers = (await store.http.get(f"versions/{version.version_id}/content")).headers
    assert headers["x-content-type-options"] == "nosniff"
    policy = headers["content-security-policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert headers["content-disposition"] == 'inline; filename="page.html"'


@pytest.mark.parametrize(
    ("wanted", "part", "content_range"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=8-", b"89", "bytes 8-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=0-99", DATA, "bytes 0-9/10"),
    ],
)
async def test_a_range(store: Store, wanted: str, part: bytes, content_range: str) -> None:
    version = await store.upload(DATA)
    response = await store.http.get(f"versions/{version.version_id}/content", headers={"Range": wanted})
    assert (response.status_code, response.content) == (206, part)
    assert response.headers["content-range"] == content_range
    assert response.headers["content-length"] == str(len(part))
    assert response.headers["etag"] == TAG
    assert "content-md5" not in response.headers


async def test_ranges_of_a_long_version_put_together_are_the_whole(store: Store) -> None:
    data = os.urandom(LONG)
    version = await store.upload(data)
    parts = []
    for first in range(0, LONG, 1_400_000):
        async with store.client.open_content(
            version.version_id, byte_range=f"bytes={first}-{first + 1_399_999}"
        ) as response:
            parts.append(await response.aread())
    assert b"".join(parts) == data


async def test_a_range_beyond_the_end_says_where_the_end_is(store: Store) -> None:
    version = await store.upload(DATA)
    response = await store.http.get(f"versions/{version.version_id}/content", headers={"Range": "bytes=10-"})
    assert (response.status_code, response.json()["slug"]) == (416, "range_not_satisfiable")
    assert response.headers["content-range"] == "bytes */10"


async def test_a_range_of_another_version_gives_the_whole(store: Store) -> None:
    version = await store.upload(DATA)
    path = f"versions/{version.version_id}/content"
    response = await store.http.get(path, headers={"Range": "bytes=0-3", "If-Range": '"other"'})
    assert (response.status_code, response.content) == (200, DATA)
    response = await store.http.get(path, headers={"Range": "bytes=0-3", "If-Range": TAG})
    assert (response.status_code, response.content) == (206, b"0123")


async def test_what_the_caller_has_is_not_sent_again(store: Store) -> None:
    version = await store.upload(DATA)
    path = f"versions/{version.version_id}/content"
    response = await store.http.get(path, headers={"If-None-Match": f'"x", {TAG}'})
    assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", TAG)
    assert (await store.http.get(path, headers={"If-None-Match": '"x"'})).content == DATA


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_who_means_other_bytes_gets_none(store: Store, method: str) -> None:
    version = await store.upload(DATA)
    for path in (
        f"versions/{version.version_id}/content",
        "content?directory=d&filename=lc.txt&accepted=false",
    ):
        response = await store.http.request(method, path, headers={"If-Match": '"x"', "If-None-Match": TAG})
        assert response.status_code == 412
        # The conditions' lists may come in several lines.
        lines = [("If-Match", '"x"'), ("If-Match", TAG), ("If-None-Match", '"x"'), ("If-None-Match", '"y"')]
        assert (await store.http.request(method, path, headers=lines)).status_code == 200
        # There is no date of modification, so conditions on dates do not count (RFC 9110, 13.1.3 and 13.1.4).
        dates = {
            "If-Unmodified-Since": "Sat, 01 Jan 2000 00:00:00 GMT",
            "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT",
        }
        assert (await store.http.request(method, path, headers=dates)).status_code == 200


async def test_head_sends_headers_alone(store: Store) -> None:
    version = await store.upload(DATA)
    for path, params in (
        (f"versions/{version.version_id}/content", {}),
        ("content", {"directory": "d", "filename": "lc.txt", "accepted": "false"}),
    ):
        response = await store.http.head(path, params=params)
        assert (response.status_code, response.content) == (200, b"")
        assert (response.headers["content-length"], response.headers["etag"]) == ("10", TAG)


async def test_an_empty_version(store: Store) -> None:
    version = await store.upload(b"")
    response = await store.http.get(f"versions/{version.version_id}/content")
    assert (response.status_code, response.content, response.headers["content-length"]) == (200, b"", "0")
    response = await store.http.get(f"versions/{version.version_id}/content", headers={"Range": "bytes=-5"})
    assert (response.status_code, response.content, response.headers["content-length"]) == (200, b"", "0")
    assert "content-range" not in response.headers
    response = await store.http.get(f"versions/{version.version_id}/content", headers={"Range": "bytes=0-"})
    assert (response.status_code, response.headers["content-range"]) == (416, "bytes */0")


async def test_by_name_comes_the_latest_that_quality_control_accepted(store: Store) -> None:
    query = {"directory": "d", "filename": "lc.txt"}
    versions = [await store.upload(b"%d" % attempt, attempt=attempt) for attempt in (1, 2, 3)]
    assert (await store.http.get("content", params=query)).status_code == 404
    await store.client.record_verdicts(
        [Verdict(attempt_id=attempt, passed=attempt < 3, reason="seen") for attempt in (1, 2, 3)]
    )
    response = await store.http.get("content", params=query)
    assert (response.content, response.headers["eas-version-id"]) == (b"2", str(versions[1].version_id))
    assert (await store.http.get("content", params={**query, "accepted": False})).content == b"3"
    target = store.root / "latest"
    await store.client.download_latest("d", "lc.txt", target)
    assert target.read_bytes() == b"2"


async def test_what_there_is_not(store: Store) -> None:
    for path in ("versions/5/content", "versions/5", "products/5", "products/5/versions"):
        response = await store.http.get(path)
        assert (response.status_code, response.json()["slug"]) == (404, "not_found")
    with pytest.raises(NotFoundError, match="no version 5"):
        await store.client.download(5, store.root / "x")
    assert not list(store.root.glob(".*.part"))


# --- damage -----------------------------------------------------------------------------------------------------


async def damage(store: Store, size: int, kind: str) -> VersionView:
    version = await store.upload(os.urandom(size))
    path = store.objects()[0]
    data = bytearray(path.read_bytes())
    match kind:
        case "flipped bit":
            data[size // 2] ^= 1
            overwrite(path, bytes(data))
        case "cut off":
            overwrite(path, bytes(data[:-1]))
        case "longer":
            overwrite(path, bytes(data) + b"x")
        case _:
            path.unlink()
    return version


@pytest.mark.parametrize("size", [10, LONG])
@pytest.mark.parametrize("kind", ["flipped bit", "cut off", "longer", "missing"])
async def test_damaged_bytes_are_never_served_as_good(store: Store, size: int, kind: str) -> None:
    version = await damage(store, size, kind)
    target = store.root / "back"
    with pytest.raises((DamagedError, RuntimeError)):  # in one process the broken connection is an exception
        await store.client.download(version.version_id, target, sha256=version.sha256)
    assert not target.exists()
    assert not list(store.root.glob(".*.part"))
    # From now on it is known
    assert (await store.client.get_version(version.version_id)).damaged
    for headers in ({}, {"Range": "bytes=0-1"}):
        response = await store.http.get(f"versions/{version.version_id}/content", headers=headers)
        assert (response.status_code, response.json()["slug"]) == (500, "damaged")


async def test_the_end_of_damaged_bytes_is_held_back(store: Store) -> None:
    version = await damage(store, LONG, "flipped bit")
    arrived = 0
    broken: Any = None
    try:
        async with store.http.stream("GET", f"versions/{version.version_id}/content") as response:
            async for chunk in response.aiter_raw():
                arrived += len(chunk)
    except Exception as error:
        broken = error
    assert broken is not None or arrived < LONG
    assert arrived <= LONG - (1 << 20)


async def test_the_client_refuses_other_bytes_than_it_expects(store: Store) -> None:
    version = await store.upload(DATA)
    with pytest.raises(DamagedError, match=f"version {version.version_id} arrived with SHA-256"):
        await store.client.download(version.version_id, store.root / "back", sha256="0" * 64)
    assert not (store.root / "back").exists()


async def test_a_download_replaces_its_target_all_at_once(store: Store) -> None:
    version = await store.upload(DATA)
    target = store.write("back", b"old")
    await store.client.download(version.version_id, target)
    assert target.read_bytes() == DATA


async def test_bytes_come_into_memory_as_they_were_stored_or_not_at_all(store: Store) -> None:
    version = await store.upload(DATA, "a.bin")
    assert await store.client.read(version.version_id) == DATA
    assert await store.client.read(version.version_id, sha256=version.sha256) == DATA
    with pytest.raises(DamagedError, match="arrived with SHA-256"):
        await store.client.read(version.version_id, sha256="0" * 64)
    with pytest.raises(NotFoundError):
        await store.client.read(version.version_id + 1)
