"""One of the services is restored to an earlier moment beside the others, which are newer: nothing is joined wrongly.

Fakes would not do: what is tested is what real services know of each other's ids, over HTTP.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from eas.contracts.errors import NotFoundError, UnavailableError
from eas.contracts.scheduler import ClaimedAttempt
from eas.database.description import DatabaseDescription
from eas.database_admin.dump import dump_database
from eas.database_admin.restore import restore_database
from eas_product_store.main import describe_database as describe_products
from eas_scheduler.main import describe_database as describe_jobs
from tests.integration.scheduler.conftest import Bench, OpenBench
from tests.integration.scheduler.served_logs import ServedLogs, serve_logs
from tests.integration.scheduler.served_store import ServedStore, serve_store


@dataclass
class Snapshot:
    """A service's database as it is at one moment, by a dump or by a copy of its file."""

    url: str
    description: DatabaseDescription
    path: Path
    is_copy: bool

    def take(self) -> None:
        if self.is_copy:
            with (
                closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as source,
                closing(sqlite3.connect(self.path)) as copy,
            ):
                source.backup(copy)
        else:
            dump_database(self.url, self.description, self.path)

    def bring_back(self) -> None:
        if self.is_copy:
            file = Path(self.url.removeprefix("sqlite:///"))
            for ending in ("-wal", "-shm"):
                file.with_name(file.name + ending).unlink(missing_ok=True)
            shutil.copy(self.path, file)
        else:
            restore_database(self.url, self.description, self.path, overwrite=True, mark=True)


@dataclass
class Suite:
    """The services, with the hands of one worker."""

    bench: Bench
    store: ServedStore
    logs: ServedLogs

    async def run(self, word: str) -> list[ClaimedAttempt]:
        """Run all that can be run; what is made says `word`."""
        done = []
        while attempts := await self.bench.claim():
            for attempt in attempts:
                assert await self.logs.write(attempt, word) == 1, "a record of another attempt has its number"
                outputs = []
                if attempt.outputs:
                    outputs.append(await self.store.upload(attempt, f"{word} {attempt.task_id}".encode()))
                answer = await self.bench.report(attempt, outputs=outputs, metadata={"radius": 0.1})
                assert answer.results[0].recorded
                done.append(attempt)
        return done

    async def until_told(self) -> None:
        """Wait until the product store has heard of all verdicts."""
        for _ in range(400):
            page = (await self.store.client.list_versions(limit=1000)).items
            if all(version.passed_qc is not None for version in page):
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"no verdict on {[version for version in page if version.passed_qc is None]}")

    async def check_joins(self) -> list[int]:
        """See that every version is joined to the attempt that made it. Returns those of which no attempt is known."""
        unknown = []
        for version in (await self.store.client.list_versions(limit=1000)).items:
            graph = await self.bench.client.trace_version(version.version_id)
            made = [one for one in graph.attempts if one.attempt_id == version.attempt_id]
            if not made:
                assert graph.unknown_attempts == [version.attempt_id]
                unknown.append(version.version_id)
                continue
            assert made[0].task_id == version.task_id
            if made[0].outputs:
                assert version.version_id in {use.version_id for use in made[0].outputs}
        return unknown


OpenSuite = Callable[..., Any]


async def announce_when_ready(bench: Bench) -> None:
    """Announce the worker as soon as the scheduler has compared its ids with those of the others."""
    async with asyncio.timeout(60):
        while True:
            with suppress(UnavailableError):
                await bench.announce()
                return
            await asyncio.sleep(0.05)


@pytest.fixture
def open_suite(open_bench: OpenBench, tmp_path: Path) -> OpenSuite:
    @asynccontextmanager
    async def open_it(**settings: Any) -> AsyncIterator[Suite]:
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(serve_store(tmp_path / "store"))
            logs = await stack.enter_async_context(serve_logs(f"sqlite:///{tmp_path}/logs.db"))
            urls = {"product_store_url": store.url, "log_service_url": logs.url, "ids_patience_seconds": 60}
            bench = await stack.enter_async_context(open_bench(**urls | settings))
            await announce_when_ready(bench)
            yield Suite(bench, store, logs)

    (tmp_path / "store").mkdir()
    return open_it


def make(*filenames: str) -> list[dict[str, Any]]:
    return [{"task": "make", "radius": 0.1, "outputs": {"lightcurve": name}} for name in filenames]


def find(filename: str) -> dict[str, Any]:
    return {"task": "find", "inputs": {"lightcurve": filename}}


async def test_an_older_scheduler_beside_newer_services(
    open_suite: OpenSuite, database_url: str, tmp_path: Path
) -> None:
    snapshot = Snapshot(database_url, describe_jobs(), tmp_path / "snapshot", is_copy=False)
    await run_with_an_older_scheduler(open_suite, snapshot)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)  # only its files are copied
async def test_an_older_file_of_the_scheduler_beside_newer_services(
    open_suite: OpenSuite, database_url: str, tmp_path: Path
) -> None:
    snapshot = Snapshot(database_url, describe_jobs(), tmp_path / "snapshot", is_copy=True)
    await run_with_an_older_scheduler(open_suite, snapshot)


async def run_with_an_older_scheduler(open_suite: OpenSuite, snapshot: Snapshot) -> None:
    async with open_suite() as suite:
        await suite.bench.submit(*make("first.lcb"))
        await suite.run("once")
        waiting = await suite.bench.submit(*make("a.lcb", "b.lcb"), find("a.lcb"), {"task": "null"})
        await suite.until_told()
        snapshot.take()
        lost = [*await suite.run("once")]
        lost_job = await suite.bench.submit(*make("c.lcb", "d.lcb"), find("c.lcb"))
        lost += await suite.run("once")
        await suite.until_told()
    snapshot.bring_back()

    async with open_suite() as suite:
        again = await suite.run("again")
        assert await suite.bench.counts(waiting) == {"done": 5}
        assert not {one.attempt_id for one in again} & {one.attempt_id for one in lost}
        job_id = await suite.bench.submit(*make("c.lcb", "d.lcb"), find("c.lcb"))
        assert job_id > lost_job
        new = await suite.run("again")
        assert await suite.bench.counts(job_id) == {"done": 4}
        assert min(one.task_id for one in new) > max(one.task_id for one in lost)
        await suite.until_told()
        unknown = await suite.check_joins()
        assert len(unknown) == 4  # a, b, c and d as they were made by attempts that are lost
        for name in ("a.lcb", "b.lcb", "c.lcb", "d.lcb"):
            product = (await suite.store.client.list_products(glob=name)).items[0]
            assert product.latest is not None
            assert product.latest.version_id not in unknown


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize("is_copy", [False, True], ids=["dump", "copy"])
async def test_an_older_product_store_beside_a_newer_scheduler(
    open_suite: OpenSuite, tmp_path: Path, is_copy: bool
) -> None:
    snapshot = Snapshot(f"sqlite:///{tmp_path}/store/store.db", describe_products(), tmp_path / "snapshot", is_copy)
    async with open_suite() as suite:
        await suite.bench.submit(*make("first.lcb"))
        await suite.run("once")
        await suite.until_told()
        snapshot.take()
        await suite.bench.submit(*make("a.lcb", "b.lcb"))
        await suite.run("once")
        await suite.until_told()
        lost = {version.version_id for version in (await suite.store.client.list_versions()).items[1:]}
    snapshot.bring_back()

    async with open_suite() as suite:
        with pytest.raises(NotFoundError):
            await suite.bench.client.trace_version(min(lost))
        job_id = await suite.bench.submit(*make("c.lcb", "d.lcb"), find("c.lcb"), find("a.lcb"))
        for attempt in await suite.run("again"):
            for used in attempt.inputs.values():
                if used.filename == "a.lcb":  # its consumer finds it missing, and nothing else in its place
                    with pytest.raises(NotFoundError):
                        await suite.store.client.download(used.version_id, tmp_path / "a")
        assert await suite.bench.counts(job_id) == {"done": 5}
        await suite.until_told()
        known = {version.version_id for version in (await suite.store.client.list_versions()).items}
        assert not known & lost
        assert await suite.check_joins() == []


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_restored_scheduler_gives_no_ids_until_it_has_asked(
    open_bench: OpenBench, open_suite: OpenSuite, database_url: str, tmp_path: Path
) -> None:
    snapshot = Snapshot(database_url, describe_jobs(), tmp_path / "snapshot", is_copy=False)
    async with open_suite() as suite:
        await suite.bench.submit({"task": "null"})
        snapshot.take()
        lost = await suite.run("once")
    snapshot.bring_back()

    async with open_bench(product_store_url="http://127.0.0.1:9") as alone:
        with pytest.raises(UnavailableError, match=r"compares its ids .*127\.0\.0\.1:9"):
            await alone.announce()
    async with open_suite(ids_patience_seconds=0) as suite:
        (again,) = await suite.run("again")
        assert again.attempt_id > lost[0].attempt_id


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_ids_simply_go_on_when_nothing_was_restored(open_suite: OpenSuite, tmp_path: Path) -> None:
    async with open_suite() as suite:
        await suite.bench.submit(*make("a.lcb"))
        await suite.run("once")
        await suite.until_told()
    async with open_suite() as suite:
        job_id = await suite.bench.submit(*make("b.lcb"))
        await suite.run("once")
        assert job_id == 2
        versions = (await suite.store.client.list_versions()).items
        assert [version.version_id for version in versions] == [1, 2]
