"""Names that were chosen to leave their place, to look like others, or to break what reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest

from eas.client.suite import FileError
from eas.client.suite.downloads import download_job, download_product, find_product

pytestmark = pytest.mark.sqlite_only

if TYPE_CHECKING:
    from tests.integration.product_store.conftest import Store

REFUSED = [
    "../x",
    "a/../x",
    "/etc/passwd",
    ".",
    "..",
    "a//b",
    "a/",
    "a\0b",
    "a\nb",
    "a\x7fb",
    "x" * 4000,
    "é" * 200,
    "cafe\u0301",
    " a",
    "a ",
    "a\u00a0",
    "\\",
    "..\\x",
    "a\u202egnp.exe",
    "\u200fa",
    "a\u200bb",
    "\ufeffa",
    "a\ufffdb",
    "\ud800",
]
ACCEPTED = [
    *("CON", "nul.txt", "a.", "...", "-rf", "~", "$HOME", "a:b", 'a|b<c>"*?', "%2e%2e", "%2e%2e%2fx", "café", "ﬁ", "A"),
    *("a", "ALPHA", "alpha", "α", "名前.fits", "👩‍🚀".replace("\u200d", "")),
]


def as_json(body: dict[str, Any]) -> dict[str, Any]:
    """A body as it comes from a client that escapes whatever is not ASCII, lone surrogates too."""
    return {"content": json.dumps(body).encode(), "headers": {"Content-Type": "application/json"}}


def of_task(number: int, **names: str) -> dict[str, Any]:
    return {"semantic_type": "t", "attempt_id": number, "task_id": number, "job_id": 1, **names}


def planned(**names: str) -> dict[str, Any]:
    product = {"directory": "d", "filename": "f", "semantic_type": "t", "generator_task_id": 1, "job_id": 1}
    return as_json({"products": [product | names]})


async def put(store: Store, number: int, **names: str) -> httpx.Response:
    pairs = of_task(number, **{"directory": "d", "filename": "f"} | names).items()
    query = "&".join(f"{key}={quote(str(value).encode('utf-8', 'surrogatepass'), safe='')}" for key, value in pairs)
    return await store.http.put(f"versions?{query}", content=b"bytes")


async def test_every_door_refuses_a_name_that_is_not_plain(store: Store) -> None:
    for name in REFUSED:
        answers = [
            await store.http.post("plan", **planned(filename=name)),
            await store.http.post("plan", **planned(directory=name)),
            await put(store, 1, filename=name),
            await put(store, 1, directory=name),
            await store.http.post("uploads", **as_json(of_task(1, directory="d", filename=name))),
            await store.http.post("uploads", **as_json(of_task(1, directory=name, filename="f"))),
            await store.http.put("quotas", **as_json({"directory": name, "max_bytes": 5})),
        ]
        assert [answer.status_code for answer in answers] == [422] * 7, name
        assert {answer.json()["slug"] for answer in answers} <= {"unsafe_path", "invalid_input"}, name
        assert all(answer.json()["where"] for answer in answers), name
    assert (await store.http.get("products")).json()["items"] == []
    assert store.objects() == store.incoming() == []


async def test_looking_for_such_a_name_finds_nothing_and_breaks_nothing(store: Store) -> None:
    paths = ("products?directory=", "products?glob=", "versions?directory=", "directories?after=", "versions?glob=")
    for name in REFUSED:
        escaped = quote(name.encode("utf-8", "surrogatepass"), safe="")
        for path in (*paths, "content?directory=d&filename=", "content?filename=f&directory="):
            assert (await store.http.get(path + escaped)).status_code in (200, 404, 422), (path, name)


async def test_odd_but_plain_names_are_kept_apart_to_the_letter(store: Store) -> None:
    for number, name in enumerate(ACCEPTED, start=1):
        version = await store.upload(
            f"bytes of {name}".encode(), name, directory=f"in/{name}", attempt=number, task=number
        )
        assert (version.filename, version.directory) == (name, f"in/{name}")
    for name in ACCEPTED:
        query = {"directory": f"in/{name}", "filename": name, "accepted": "false"}
        response = await store.http.get("content", params=query)
        assert response.content == f"bytes of {name}".encode()
        assert "\n" not in response.headers["content-disposition"]
    # On the store's own disk no file is called like a product.
    assert len(store.objects()) == len(ACCEPTED)
    assert not {path.name for path in store.objects()} & set(ACCEPTED)


async def test_a_double_escape_is_not_unescaped_twice(store: Store) -> None:
    response = await put(store, 1, filename="%2e%2e%2fx")
    assert (response.status_code, response.json()["filename"]) == (201, "%2e%2e%2fx")
    response = await store.http.put(
        "versions?directory=d&filename=%2e%2e%2fx&semantic_type=t&attempt_id=2&task_id=2&job_id=1", content=b"bytes"
    )
    assert (response.status_code, response.json()["slug"]) == (422, "unsafe_path")


async def test_a_product_is_found_by_either_form_of_an_accent(store: Store) -> None:
    await store.upload(b"1", "café.txt", directory="été")
    found = await find_product(store.client, "e\u0301te\u0301/cafe\u0301.txt")
    assert (found.directory, found.filename) == ("été", "café.txt")


async def test_what_is_fetched_stays_in_the_folder_that_was_named(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "fetched"
    folder.mkdir()
    for number, name in enumerate(ACCEPTED, start=1):
        await store.upload(name.encode(), name, directory="out", attempt=number, task=number)
    fetched = await download_job(store.client, 1, folder)
    assert {download.path.name for download in fetched} == set(ACCEPTED)
    assert all(download.path.resolve().parent == folder for download in fetched)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {name: name.encode() for name in ACCEPTED}


async def test_a_link_in_the_folder_is_replaced_and_not_followed(store: Store, tmp_path: Path) -> None:
    version = await store.upload(b"new", "lc.txt")
    precious = tmp_path / "precious"
    precious.write_bytes(b"old")
    folder = tmp_path / "fetched"
    folder.mkdir()
    (folder / "lc.txt").symlink_to(precious)
    product = await store.client.get_product(version.product_id)
    await download_product(store.client, product, folder)
    assert (precious.read_bytes(), (folder / "lc.txt").read_bytes()) == (b"old", b"new")


async def test_names_that_a_disk_takes_for_the_same_do_not_overwrite_each_other(store: Store, tmp_path: Path) -> None:
    await store.upload(b"upper", "LC.txt")
    await store.upload(b"lower", "lc.txt", attempt=2, task=2)
    folder = tmp_path / "fetched"
    folder.mkdir()
    (folder / "lc.txt").symlink_to("LC.txt")  # as on a disk that does not tell them apart
    with pytest.raises(FileError, match="same file as 'LC"):
        await download_job(store.client, 1, folder)
    assert (folder / "LC.txt").read_bytes() == b"upper"
