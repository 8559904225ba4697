"""A backup of a suite at work has all that it names, and is a suite again when it is restored.

Fakes would not do: what is tested is that databases and files that change together are whole when they are copied
apart.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from eas_control.backup import SuiteBackup
from eas_control.databases import locate_databases
from eas_control.domain.errors import SuiteStartError
from eas_control.main import run
from eas_control.storage.backup_folder import BackupFolder
from eas_control.storage.data_folder import DataFolder
from eas_product_store.main import open_copies
from eas_product_store.settings import ProductStoreSettings
from tests.integration.control.conftest import OpenSuite, ServedSuite


async def call(capfd: pytest.CaptureFixture[str], *arguments: object, status: int = 0) -> Any:
    """Run `eas` in this process, in a thread. Returns the document that it printed."""
    capfd.readouterr()
    found = await asyncio.to_thread(run, [*map(str, arguments), "--json"])
    out, err = capfd.readouterr()
    assert found == status, out + err
    return json.loads(out)


def fetch(path: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def check_restored(data: Path) -> int:
    """See that all bytes are those of their versions, and that every version that a job names is there."""
    rows = fetch(data / "product_store.db", "SELECT version_id, store_name, md5, size FROM version")
    for _, name, md5, size in rows:
        content = (data / "products" / "objects" / name[:2] / name).read_bytes()
        assert (hashlib.md5(content, usedforsecurity=False).hexdigest(), len(content)) == (md5, size)
    outputs = fetch(data / "scheduler.db", "SELECT outputs FROM attempt WHERE outputs IS NOT NULL")
    named = {output["version_id"] for (text,) in outputs for output in json.loads(text)}
    assert named <= {row[0] for row in rows}
    return len(rows)


async def test_a_backup_of_a_busy_suite_is_whole_and_goes_on_elsewhere(
    open_suite: OpenSuite, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data, backups, elsewhere = tmp_path / "data", tmp_path / "backups", tmp_path / "elsewhere"
    async with open_suite(data) as suite:
        job_id = await suite.submit(*(f"{number}.txt" for number in range(150)))
        busy = True

        async def work() -> None:
            while busy and (attempts := await suite.claim()):
                for attempt in attempts:
                    await suite.finish(attempt, os.urandom(3000))

        working = asyncio.create_task(work())
        await asyncio.sleep(0)
        first = await call(capfd, "backup", backups, "--data", data)
        second = await call(capfd, "backup", backups, "--data", data)
        busy = False
        await working
    assert second["files"]["versions"] > first["files"]["versions"], "jobs were to run meanwhile"
    assert second["files"]["copied"] == second["files"]["versions"] - first["files"]["versions"]
    assert second["faulty"] == []

    restored = await call(capfd, "restore", backups, "--data", elsewhere)
    assert (restored["backup"], restored["tokens"]) == (second["backup"], True)
    assert restored["files"]["written"] == second["files"]["versions"]
    assert check_restored(elsewhere) == second["files"]["versions"]

    async with open_suite(elsewhere) as suite:
        async with asyncio.timeout(60):
            while (await suite.scheduler.get_job(job_id)).state != "done":
                await suite.run("again")
                await asyncio.sleep(0.1)
    check_restored(elsewhere)


async def test_a_restore_refuses_what_it_would_harm(
    open_suite: OpenSuite, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data, backups = tmp_path / "data", tmp_path / "backups"
    async with open_suite(data) as suite:
        await suite.submit("a.txt")
        await suite.run("first")
        await call(capfd, "backup", backups, "--data", data)
        running = await call(capfd, "restore", backups, "--data", data, "--force", status=1)
        assert "already running" in running["error"]["message"]
        await suite.submit("b.txt")
        await suite.run("second")

    not_empty = await call(capfd, "restore", backups, "--data", data, status=2)
    assert "--force" in not_empty["error"]["message"]
    assert check_restored(data) == 2
    await call(capfd, "restore", backups, "--data", data, "--force")
    assert check_restored(data) == 1
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine").touch()
    for command in (("backup", tmp_path / "other", "--data", data), ("restore", tmp_path / "other", "--data", data)):
        assert "no folder of backups" in (await call(capfd, *command, status=2))["error"]["message"]

    (stored,) = (path for path in (backups / "objects").rglob("*") if path.is_file())
    content = bytearray(stored.read_bytes())
    content[5] ^= 1
    stored.chmod(0o600)
    stored.write_bytes(content)
    damaged = await call(capfd, "restore", backups, "--data", tmp_path / "third", status=2)
    assert "damaged" in damaged["error"]["message"]
    with pytest.raises(SuiteStartError, match="half restored"):  # as `eas up` would
        DataFolder(tmp_path / "third").refuse_half_restored()


async def test_bytes_that_are_removed_during_a_backup_are_not_missed(open_suite: OpenSuite, tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with open_suite(data) as suite:
        await suite.submit("a.txt", "b.txt", "c.txt")
        versions = await suite.run("first")
        folder = DataFolder(data)
        copies = RemovingCopies(suite, versions[-1], data / "products")
        databases = locate_databases(folder, None, {})
        backup = SuiteBackup(databases, copies, folder.tokens_file, BackupFolder(tmp_path / "backups"))
        _, manifest = await backup.make()
    assert copies.removed
    assert (manifest.files.versions, manifest.faulty) == (2, [])


class RemovingCopies:
    """Reads an archive, and has a version removed for good before it reads for the first time."""

    def __init__(self, suite: ServedSuite, version_id: int, archive: Path) -> None:
        self.removed = False
        self._suite = suite
        self._version_id = version_id
        self._copies = open_copies(ProductStoreSettings(archive=archive))

    async def read(self, store_name: str) -> AsyncIterator[bytes]:
        if not self.removed:
            self.removed = True
            await self._suite.store.remove(self._version_id, running_jobs=[], reason="not wanted", force=True)
            await self._suite.store.collect_garbage(grace_hours=0)
        async for block in self._copies.read(store_name):
            yield block


async def test_a_killed_backup_is_refused_and_continued(
    open_suite: OpenSuite, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A process of its own: nothing else can be killed."""
    data, backups = tmp_path / "data", tmp_path / "backups"
    async with open_suite(data) as suite:
        await suite.submit("a.txt", "b.txt", "c.txt")
        for attempt, size in zip(await suite.claim(), (1000, 60_000_000, 1000), strict=True):
            await suite.finish(attempt, os.urandom(size))

    process = subprocess.Popen(  # noqa: ASYNC220 - it starts at once
        [sys.executable, "-m", "eas_control.main", "backup", str(backups), "--data", str(data)],
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not list((backups / "objects").glob("*/*")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was to be killed in the middle"

    refused = await call(capfd, "restore", backups, "--data", tmp_path / "elsewhere", status=2)
    assert "interrupted" in refused["error"]["message"]
    assert not (tmp_path / "elsewhere" / "scheduler.db").exists()
    continued = await call(capfd, "backup", backups, "--data", data)
    assert (continued["files"]["versions"], continued["files"]["copied"]) == (3, 2)
    assert not list((backups / "incoming").iterdir())
    await call(capfd, "restore", backups, "--data", tmp_path / "elsewhere")
    assert check_restored(tmp_path / "elsewhere") == 3
