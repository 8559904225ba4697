"""A store on object storage that is killed during uploads: nothing is published without a row, and nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.integration.product_store.object_storage import CREDENTIALS, Bucket, Door
from tests.support.patience import PATIENCE_S

if TYPE_CHECKING:
    from tests.integration.product_store.conftest import StoreProcess

SIZE = 20 << 20
QUERY: dict[str, str | int] = {"directory": "d", "filename": "f", "semantic_type": "t", "task_id": 1, "job_id": 1}


@pytest.fixture
def database_kind() -> str:
    """Bytes on their way and on the disk know nothing of what the catalogue is kept in."""
    return "sqlite"


@pytest.fixture
def store(store_process: StoreProcess, bucket: Bucket, door: Door) -> StoreProcess:
    store_process.environment = {
        **CREDENTIALS,
        "EAS_PRODUCT_STORE_ARCHIVE": bucket.url,
        "EAS_PRODUCT_STORE_SPOOL": str(store_process.root / "spool"),
        "EAS_PRODUCT_STORE_S3_ENDPOINT": door.url,
    }
    return store_process


def upload(store: StoreProcess, attempt: int, content: bytes) -> httpx.Response:
    return httpx.put(
        f"{store.url}/versions", params=QUERY | {"attempt_id": attempt}, content=content, timeout=PATIENCE_S
    )


def test_a_version_survives_a_kill(store: StoreProcess, bucket: Bucket) -> None:
    store.start()
    version = upload(store, 1, b"kept").json()["version_id"]
    store.kill()
    store.start()
    assert httpx.get(f"{store.url}/versions/{version}/content", timeout=PATIENCE_S).content == b"kept"
    assert list(bucket.list("objects").values()) == [b"kept"]


@pytest.mark.parametrize(
    ("content", "last_step", "is_there"),
    [
        (b"short", lambda method, path: method == "PUT" and "objects/" in path, True),
        (b"x" * SIZE, lambda method, path: method == "PUT" and "partNumber=2" in path, False),
        (b"x" * SIZE, lambda method, path: method == "POST" and "uploadId=" in path, True),
    ],
    ids=["object without a row", "some parts", "object of parts without a row"],
)
def test_an_upload_that_is_killed_leaves_nothing(
    store: StoreProcess,
    bucket: Bucket,
    door: Door,
    content: bytes,
    last_step: Callable[[str, str], bool],
    is_there: bool,
) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def hold(method: str, path: str) -> None:
        if last_step(method, path):
            reached.set()
            go_on.wait(60)

    store.start()
    door.hold = hold
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(upload, store, 1, content)
        assert reached.wait(60)
        store.kill()
        assert isinstance(sending.exception(60), httpx.TransportError)
    go_on.set()
    door.hold = lambda *_: None
    assert list(bucket.list("objects").values()) == [content] * is_there

    store.start()

    assert httpx.get(f"{store.url}/versions", timeout=PATIENCE_S).json()["items"] == []
    assert bucket.list("objects") == {}
    assert list((store.root / "spool" / "incoming").iterdir()) == []
    version = upload(store, 1, content).json()["version_id"]
    assert httpx.get(f"{store.url}/versions/{version}/content", timeout=PATIENCE_S).content == content
    orphans = httpx.post(f"{store.url}/fixity/orphans", json={"older_than_hours": 0}, timeout=PATIENCE_S)
    assert orphans.json()["orphans"] == []
