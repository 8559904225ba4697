"""A disk that is full: said clearly, nothing left behind, and all well again when there is room."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.patience import PATIENCE_S
from tests.support.private_server import free_port

REPOSITORY = Path(__file__).parents[3]
QUERY: dict[str, Any] = {"directory": "d", "semantic_type": "t", "task_id": 1, "job_id": 1}


@dataclass
class SmallDisk:
    """A store whose archive is on a disk of 8 MB, in a name space of its own."""

    http: httpx.Client
    archive: Path

    def files(self) -> list[str]:
        """What is in the archive, apart from its lock."""
        found = (path for path in self.archive.rglob("*") if path.is_file())
        return sorted(path.parent.name for path in found if path.name != "lock")

    def upload(self, name: str, data: bytes, attempt: int = 1) -> httpx.Response:
        params = {**QUERY, "filename": name, "attempt_id": attempt}
        return self.http.put("/versions", params=params, content=data)


@pytest.fixture(params=["archive", "everything"])
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SmallDisk]:
    mount = ["unshare", "-Urm", "sh", "-c"]
    if shutil.which("unshare") is None or subprocess.run([*mount, f"mount -t tmpfs t {tmp_path}"]).returncode:
        pytest.skip("this system lets users mount no file system of their own")
    disk = tmp_path / "disk"
    disk.mkdir()
    port = free_port()
    database = tmp_path if request.param == "archive" else disk
    environment = {
        **os.environ,
        "EAS_PRODUCT_STORE_DATABASE_URL": f"sqlite:///{database}/store.db",
        "EAS_PRODUCT_STORE_ARCHIVE": str(disk / "archive"),
        "EAS_PRODUCT_STORE_PORT": str(port),
    }
    script = f"mount -t tmpfs -o size=8m t {disk} && exec {sys.executable} -m eas_product_store.main"
    process = subprocess.Popen([*mount, script], cwd=REPOSITORY, env=environment)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            assert process.poll() is None
            assert time.monotonic() < deadline
            try:
                if httpx.get(f"http://127.0.0.1:{port}/health/ready").is_success:
                    break
            except httpx.TransportError:
                time.sleep(0.02)
        # No kept connections: the store closes one on which it refused an upload, and the next request could meet that.
        limits = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S, limits=limits) as http:
            yield SmallDisk(http, Path(f"/proc/{process.pid}/root{disk}/archive"))
    finally:
        process.kill()
        process.wait()


def assert_full(response: httpx.Response) -> None:
    assert (response.status_code, response.json()["slug"]) == (507, "insufficient_storage"), response.text
    assert "full" in response.json()["message"] or "room" in response.json()["message"]


def test_an_upload_in_one_stream(small_disk: SmallDisk) -> None:
    before = small_disk.files()
    assert_full(small_disk.upload("f", os.urandom(9 << 20)))
    assert small_disk.files() == before
    assert small_disk.upload("f", os.urandom(2 << 20)).status_code == 201


def test_many_small_uploads_until_nothing_fits(small_disk: SmallDisk) -> None:
    kept = []
    for attempt in range(200):
        response = small_disk.upload("f", os.urandom(90_000), attempt)
        if response.status_code != 201:
            assert_full(response)
            break
        kept.append(response.json()["version_id"])
    else:
        raise AssertionError("200 times 90 kB fitted on 8 MB")
    listed = small_disk.http.get("/versions", params={"limit": 1000}).json()["items"]
    assert [version["version_id"] for version in listed] == kept
    names = small_disk.files()
    assert "incoming" not in names
    assert len([name for name in names if len(name) == 2]) == len(kept)
    for version_id in (kept[0], kept[-1]):
        assert small_disk.http.get(f"/versions/{version_id}/content").is_success


def test_an_upload_in_pieces_goes_on_when_there_is_room(small_disk: SmallDisk) -> None:
    request = {**QUERY, "filename": "f", "attempt_id": 1}
    assert_full(small_disk.http.post("/uploads", json={**request, "size": 9 << 20}))
    filler = small_disk.http.post("/uploads", json={**request, "filename": "filler"}).json()["upload_id"]
    upload = small_disk.http.post("/uploads", json=request).json()["upload_id"]
    address, data = f"/uploads/{upload}", os.urandom(4 << 20)
    filled = small_disk.http.patch(f"/uploads/{filler}", content=bytes(5 << 20), headers={"Upload-Offset": "0"})
    assert filled.status_code == 204
    assert_full(small_disk.http.patch(address, content=data, headers={"Upload-Offset": "0"}))
    # When another upload makes room
    assert small_disk.http.delete(f"/uploads/{filler}").status_code == 204
    offset = int(small_disk.http.head(address).headers["upload-offset"])
    rest = small_disk.http.patch(address, content=data[offset:], headers={"Upload-Offset": str(offset)})
    assert rest.status_code == 204
    version = small_disk.http.post(f"{address}/commit").json()
    assert small_disk.http.get(f"/versions/{version['version_id']}/content").content == data
