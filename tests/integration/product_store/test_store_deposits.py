"""Many small versions in one request: each stands by itself, all are durable."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from eas.client.small_files import SmallFile
from eas.contracts.deposits import MAX_DEPOSITS, MAX_DEPOSITS_BYTES
from eas.contracts.errors import InvalidInputError, ProductExistsError, VersionExistsError
from eas.contracts.products import UploadParameters, VersionView

pytestmark = pytest.mark.sqlite_only

if TYPE_CHECKING:
    from tests.integration.product_store.conftest import Store


def deposit(number: int, content: bytes = b"bytes", **more: Any) -> dict[str, Any]:
    described = {"directory": "d", "filename": f"{number}.txt", "semantic_type": "t"}
    ids = {"attempt_id": number, "task_id": number, "job_id": 1}
    return {**described, **ids, "content": base64.b64encode(content).decode(), **more}


def small_file(store: Store, number: int, content: bytes) -> SmallFile:
    parameters = UploadParameters(
        directory="d", filename=f"{number}.txt", semantic_type="t", attempt_id=number, task_id=number, job_id=1
    )
    return SmallFile(store.write(f"small-{number}", content), parameters, {"star": "é", "number": number})


async def send(store: Store, *deposits: dict[str, Any]) -> list[dict[str, Any]]:
    response = await store.http.post("deposits", json={"deposits": deposits})
    assert response.status_code == 200, response.text
    answers: list[dict[str, Any]] = response.json()["answers"]
    return answers


async def test_deposits_become_versions_and_may_be_repeated(store: Store) -> None:
    contents = [b"", b"one", b"two" * 30_000]
    deposits = [deposit(number, content, metadata={"n": number}) for number, content in enumerate(contents)]
    answers = await send(store, *deposits)
    assert [answer["is_new"] for answer in answers] == [True] * 3
    for number, (answer, content) in enumerate(zip(answers, contents, strict=True)):
        version = answer["version"]
        assert version["sha256"] == hashlib.sha256(content).hexdigest()
        assert (version["filename"], version["metadata"]) == (f"{number}.txt", {"n": number})
        assert await store.client.read(version["version_id"]) == content
    again = await send(store, *deposits)
    assert [answer["version"] for answer in again] == [answer["version"] for answer in answers]
    assert [answer["is_new"] for answer in again] == [False] * 3
    assert (len(store.objects()), store.incoming()) == (3, [])


async def test_what_is_wrong_with_one_does_not_touch_the_others(store: Store) -> None:
    await store.upload(b"earlier", "taken.txt", task=7)
    answers = await send(
        store,
        deposit(1),
        deposit(2, filename="../x"),
        deposit(3, content=b"x") | {"content": "no base64!"},
        deposit(4, sha256="0" * 64),
        deposit(5, filename="taken.txt"),
        deposit(6, metadata={"n": 1 << 80}),
        deposit(7),
        deposit(7, b"other bytes of the same attempt"),
    )
    errors = [answer["error"] and (answer["error"]["slug"], answer["error"]["where"]) for answer in answers]
    assert errors == [
        None,
        ("unsafe_path", "body.deposits[1].filename"),
        ("invalid_input", "body.deposits[2].content"),
        ("digest_mismatch", "body.deposits[3].content"),
        ("product_exists", "body.deposits[4].filename"),
        ("invalid_input", "body.deposits[5].metadata.n"),
        None,
        ("version_exists", "body.deposits[7].content"),
    ]
    kept = {version.filename for version in (await store.client.list_versions()).items}
    assert kept == {"taken.txt", "1.txt", "7.txt"}
    assert store.incoming() == []


async def test_too_much_is_refused_before_it_is_read(store: Store) -> None:
    long = await store.http.post(
        "deposits", content=b" " * (MAX_DEPOSITS_BYTES + 1), headers={"Content-Type": "application/json"}
    )
    assert (long.status_code, long.json()["slug"]) == (413, "too_large")
    many = await store.http.post("deposits", json={"deposits": [deposit(1)] * (MAX_DEPOSITS + 1)})
    assert (many.status_code, many.json()["where"]) == (422, "body.deposits")


async def test_the_client_sends_as_many_requests_as_it_takes(store: Store) -> None:
    files = [small_file(store, number, b"%d" % number) for number in range(MAX_DEPOSITS + 3)]
    found = await store.client.upload_many(files)
    assert [one.metadata if isinstance(one, VersionView) else one for one in found] == [file.metadata for file in files]
    long = [small_file(store, 1000 + number, bytes([number]) * (7 << 20)) for number in range(2)]
    assert [isinstance(one, VersionView) for one in await store.client.upload_many(long)] == [True, True]


async def test_the_client_gives_each_file_its_own_error(store: Store) -> None:
    await store.upload(b"earlier", "1.txt", task=9)
    await store.upload(b"earlier", "2.txt", attempt=2, task=2, semantic_type="t")
    found = await store.client.upload_many([small_file(store, number, b"new") for number in (1, 2, 3)])
    assert [type(one) for one in found] == [ProductExistsError, VersionExistsError, VersionView]


async def test_metadata_that_is_no_json_is_the_callers_fault(store: Store) -> None:
    file = small_file(store, 1, b"x")
    parameters = file.parameters.model_copy(update={"attempt_id": -1})
    with pytest.raises(InvalidInputError):
        await store.client.upload_many([SmallFile(file.path, parameters)])


async def test_deposits_from_many_callers_are_all_kept(store: Store) -> None:
    answers = await asyncio.gather(
        *(send(store, *(deposit(100 * caller + number, b"%d" % number) for number in range(20))) for caller in range(5))
    )
    assert all(answer["is_new"] for one in answers for answer in one)
    assert len(store.objects()) == 20, "equal bytes are kept once"
    assert store.incoming() == []
