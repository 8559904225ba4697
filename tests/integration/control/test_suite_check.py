"""`eas db check` compares the services' databases, and says what to do about what does not fit together.

Fakes would not do: the databases are those that real services have written.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from eas.database_admin.creation import make_database as create
from eas_control.main import run
from eas_control.storage.suite_check import check_suite
from eas_logging.main import describe_database as describe_logs
from eas_product_store.main import describe_database as describe_products
from eas_scheduler.main import describe_database as describe_jobs
from tests.integration.control.conftest import OpenSuite
from tests.support.databases import Inspector


async def check(capfd: pytest.CaptureFixture[str], data: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run `eas db check`. Returns its status, and what it found about the databases together."""
    capfd.readouterr()
    status = await asyncio.to_thread(run, ["db", "check", "--data", str(data), "--json"])
    document = json.loads(capfd.readouterr().out)
    assert document["ok"] is (status == 0)
    return status, {one["name"]: one for one in document["suite"] if one["problem"]}


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


async def test_what_does_not_fit_together_is_found(
    open_suite: OpenSuite, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    store, jobs = data / "product_store.db", data / "scheduler.db"
    async with open_suite(data) as suite:
        await suite.submit("a.txt", "b.txt", "c.txt", "d.txt")
        await suite.run("first")
        await suite.until_told()
        assert await check(capfd, data) == (0, {})  # while it runs

    change(store, "UPDATE version SET attempt_id = 4444 WHERE version_id = 1")
    change(store, "UPDATE version SET passed_qc = 0 WHERE version_id = 2")
    change(store, "DELETE FROM verdict WHERE version_id = 4")
    change(store, "DELETE FROM version WHERE version_id = 4")
    change(store, "UPDATE sqlite_sequence SET seq = 3 WHERE name = 'version'")
    change(
        data / "logging.db",
        "INSERT INTO log_stream (stream_id, name) VALUES (77, 'w')",
    )
    change(
        data / "logging.db",
        "INSERT INTO log_record (attempt_id, task_id, job_id, stream_id, sequence, time, level, logger, message, host,"
        " process_id) VALUES (20000000, 5, 1, 77, 0, 0, 20, '', 'hello', 'here', 1)",
    )
    before = [path.read_bytes() for path in (store, jobs)]
    status, found = await check(capfd, data)
    assert status == 1
    assert {name: one["count"] for name, one in found.items()} == {
        "versions": 1,
        "makers of versions": 1,
        "verdicts": 1,
        "attempts of versions": 1,
        "attempts of log records": 1,
        "attempt ids": 1,
        "version ids": 1,
    }
    assert "4" in found["versions"]["problem"]
    assert "restored to an earlier moment" in found["versions"]["problem"]
    assert "20000000" in found["attempt ids"]["problem"]
    assert not found["attempts of log records"]["is_fault"]
    assert [path.read_bytes() for path in (store, jobs)] == before

    async with open_suite(data):  # the next start raises the ids
        _, found = await check(capfd, data)
    assert not {"attempt ids", "version ids"} & found.keys()


async def test_a_restored_scheduler_is_only_noted(
    open_suite: OpenSuite, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data, dumps = tmp_path / "data", tmp_path / "dumps"
    dumps.mkdir()
    async with open_suite(data) as suite:
        await suite.submit("a.txt")
        assert await asyncio.to_thread(run, ["db", "dump", str(dumps), "--data", str(data), "--json"]) == 0
        await suite.run("first")
        await suite.until_told()
    restore = ["db", "restore", str(dumps), "--service", "scheduler", "--overwrite", "--data", str(data), "--json"]
    assert await asyncio.to_thread(run, restore) == 0

    async with open_suite(data) as suite:
        await suite.run("again")
        await suite.until_told()
        assert (await suite.scheduler.get_job(1)).state == "done"
        status, found = await check(capfd, data)
    assert (status, list(found)) == (0, ["attempts of versions"])
    with pytest.raises(SystemExit, match=r"^0$"):
        run(["db", "check", "--data", str(data)])
    assert "NOTE" in capfd.readouterr().out


def test_databases_of_every_kind_are_compared(make_database: Callable[[str], str]) -> None:
    urls = {}
    for description in (describe_jobs(), describe_products(), describe_logs()):
        urls[description.service] = make_database(description.service)
        create(urls[description.service], description)
    with closing(Inspector(urls["product_store"])) as inspector:
        inspector.execute(
            "INSERT INTO product (directory, filename, semantic_type, generator_task_id, job_id, planned_at, planned,"
            " details) VALUES ('', 'a', 's', 9, 1, 0, true, '{}')"
        )

    found = {one.name: (one.named, one.is_fault) for one in check_suite(urls) if one.words}

    assert found == {"task ids": ([9], True)}
