"""A scheduler's database goes from one kind to the other with all that is in it, and goes on there."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from eas.database_admin.creation import make_database as create
from eas.database_admin.dump import dump_database
from eas.database_admin.inspection import inspect_database
from eas.database_admin.restore import restore_database
from eas_scheduler.main import describe_database
from tests.support.databases import SERVER_KINDS, DatabaseServer, Inspector

from .conftest import Bench, OpenBench, find_wrong_counts, version

SCHEDULER = describe_database()

#: What engines are known to treat each in its own way.
HARD_TEXT = "quote ' \" backslash \\ % :name ? line\nend\ttab 😀 é e\u0301 \u2028 \ufffd"
HARD_FLOATS = [0.1, 1 / 3, -2.5e-308, 1.7976931348623157e308, 123456789.12345679, -0.0]


def read_rows(path: Path) -> dict[str, list[Any]]:
    """Read all rows of an SQLite database with the types of their values, past everything that is tested here."""
    with closing(sqlite3.connect(path)) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {}
        for name in names:
            rows = connection.execute(f"SELECT * FROM {name}").fetchall()
            found[name] = sorted(repr(row) for row in rows)
        return found


async def finish_job(bench: Bench, *tasks: dict[str, Any], **keys: Any) -> int:
    job_id = await bench.submit(*tasks, **keys)
    while attempts := await bench.claim():
        for attempt in attempts:
            outputs = [version(attempt)] if attempt.outputs else []
            await bench.report(attempt, outputs=outputs, metadata={"radius": 0.1, "name": HARD_TEXT})
    return job_id


def chain(filename: str) -> list[dict[str, Any]]:
    return [
        {"task": "make", "radius": 0.1, "outputs": {"lightcurve": filename}},
        {"task": "find", "inputs": {"lightcurve": filename}},
        {"task": "null"},
    ]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)  # it begins there, and goes through all
async def test_every_row_is_the_same_after_all_kinds(
    open_bench: OpenBench,
    database_url: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    async with open_bench() as bench:
        await bench.announce()
        await finish_job(bench, *chain("a.gz"))
        await bench.submit({"task": "null"})
    inspector = Inspector(database_url)
    for number, value in enumerate(HARD_FLOATS):
        inspector.execute(
            "INSERT INTO container VALUES (:name, :value, 1, :value, 1, 2, :value)", name=f"c{number}", value=value
        )
    inspector.execute("UPDATE job SET seed = :seed, name = :name", seed=2**63 - 1, name=HARD_TEXT)
    inspector.execute("UPDATE task SET seed = :seed, message = :text", seed=-(2**63), text=HARD_TEXT * 3000)
    inspector.close()
    assert (tmp_path / "scheduler.db").exists()
    before = read_rows(tmp_path / "scheduler.db")
    assert all(before[name] for name in ("job", "task", "attempt", "transition", "product_promise", "dependency"))

    last = f"sqlite:///{tmp_path}/again.db"
    source = database_url
    servers: list[DatabaseServer] = [request.getfixturevalue(f"{kind}_server") for kind in SERVER_KINDS]
    for target in (*(server.make_database() for server in servers), last):
        dump = tmp_path / "dump.gz"
        dump_database(source, SCHEDULER, dump, overwrite=True)
        create(target, SCHEDULER)
        restore_database(target, SCHEDULER, dump)
        source = target

    assert read_rows(tmp_path / "again.db") == before


async def test_a_restored_scheduler_goes_on_with_new_keys(
    open_bench: OpenBench, database_url: str, tmp_path: Path
) -> None:
    async with open_bench() as bench:
        await bench.announce()
        first = await finish_job(bench, *chain("a.gz"))
    dump_database(database_url, SCHEDULER, tmp_path / "dump.gz")
    create(database_url, SCHEDULER, overwrite=True)
    restore_database(database_url, SCHEDULER, tmp_path / "dump.gz")

    async with open_bench() as bench:
        await bench.announce()
        second = await finish_job(bench, *chain("b.gz"))
        assert second > first
        assert (await bench.counts(second)) == {"done": 4}
        assert (await bench.counts(first)) == {"done": 4}

    inspector = Inspector(database_url)
    assert find_wrong_counts(inspector) == []
    ids = [row.id for row in inspector.fetch("SELECT id FROM task ORDER BY id")]
    assert len(ids) == len(set(ids)) == 8
    inspector.close()
    found = inspect_database(database_url, SCHEDULER).findings
    assert {each.problem for each in found if each.name != "largest packet"} == {None}


async def test_a_dump_is_of_one_moment_of_a_scheduler_at_work(
    open_bench: OpenBench, database_url: str, tmp_path: Path
) -> None:
    async with open_bench() as bench:
        await bench.announce()
        await bench.submit(*[{"task": "null"}] * 800)
        busy = True

        async def work() -> None:
            while busy:
                await finish_job(bench, *[{"task": "null"}] * 10)

        working = asyncio.create_task(work())
        sizes = []
        for number in range(4):
            path = tmp_path / f"{number}.gz"
            report = await asyncio.to_thread(dump_database, database_url, SCHEDULER, path)
            sizes.append(report.rows["transition"])
        busy = False
        await working
    assert sizes == sorted(set(sizes)), "the scheduler was to go on meanwhile"

    for number in range(4):
        target = f"sqlite:///{tmp_path}/{number}.db"
        restore_database(target, SCHEDULER, tmp_path / f"{number}.gz")
        inspection = inspect_database(target, SCHEDULER)
        assert inspection.is_well, inspection.findings
        inspector = Inspector(target)
        last = "SELECT MAX(t.id) FROM transition t WHERE t.attempt_id = attempt.id"
        stale = f"SELECT id FROM attempt WHERE state <> (SELECT state_after FROM transition WHERE id = ({last}))"
        assert list(inspector.fetch(stale)) == [], "attempts and their events are of different moments"
        inspector.close()
