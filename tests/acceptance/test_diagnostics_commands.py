"""What users and operators ask: why, progress, outcomes, timings, errors, queues, timeline, hosts, watch, tree."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.acceptance.conftest import RunningSuite, eas, wait_until

pytestmark = pytest.mark.acceptance

FILE = "'star_{radius_index}.npz'.format(**metadata)"
SEARCH = "transit_search_bls_reference"
NIGHT: dict[str, Any] = {
    "job_name": "night",
    "working_directory": "night",
    "seed": 5,
    "task_list": [
        {
            "task": "execution_for_loop",
            "parameter": "radius",
            "values": [1.0, 0.01],
            "task_list": [
                {
                    "task": "synthesis_batman",
                    "outputs": {"lightcurve": FILE},
                    "specs": {
                        "duration": 8,
                        "orbital_period": 2,
                        "semi_major_axis": 0.031,
                        "planet_radius": "(metadata['radius'])",
                        "noise": 0.003,
                        "sampling_cadence": 900,
                    },
                },
                {
                    "task": "transit_search_bls_reference",
                    "name": "good",
                    "inputs": {"lightcurve": FILE},
                    "lc_duration": 8,
                },
            ],
        },
        {"task": "error", "name": "bad", "reason": "input", "message": "no such star"},
        {"task": "null", "name": "after", "requires_metadata_from": ["bad"]},
    ],
}
LONG = {"task": "null", "duration": 600}


@pytest.fixture(scope="module")
def ended(suite: RunningSuite) -> int:
    """A job of which one task failed."""
    job_id: int = suite.submit(NIGHT, "--wait", "--timeout", "100", status=1)["job_id"]
    return job_id


def read_table(suite: RunningSuite, *arguments: str) -> list[dict[str, str]]:
    """Run a command with ``--csv`` and read its answer."""
    done = eas(*arguments, "--data", suite.data, "--csv")
    assert (done.returncode, done.stderr) == (0, "")
    return list(csv.DictReader(done.stdout.splitlines()))


def test_why_answers_in_words(suite: RunningSuite, ended: int) -> None:
    lines = {line["name"]: line for line in suite.ask("tree", str(ended)) if line["name"]}
    assert suite.ask("why", str(lines["good"]["task_id"]))["code"] == "ran"
    assert suite.ask("why", str(lines["bad"]["task_id"]))["code"] == "failed"
    words = eas("why", str(lines["after"]["task_id"]), "--data", suite.data).stdout
    assert "is blocked" in words
    assert "no such star" in words
    assert suite.ask("why", "999999", status=1)["error"]["slug"] == "not_found"


def test_tables_are_json_csv_and_words(suite: RunningSuite, ended: int) -> None:
    job = ("--job", str(ended))
    progress = {row["task_type"]: row for row in suite.ask("progress", *job)["items"]}
    assert (progress[SEARCH]["done"], progress["null"]["blocked"], progress["error"]["failed"]) == (2, 1, 1)
    assert [row["message"] for row in read_table(suite, "errors", *job)] == ["no such star"]
    (table,) = suite.ask("outcomes", *job)["tables"]
    assert [row[:3] for row in table["rows"]] == [[0.01, 1, "FAIL"], [1.0, 0, "PASS"]]
    timings = read_table(suite, "timings", *job, "--type", SEARCH)
    assert [(row["radius"], row["state"]) for row in timings] == [("0.01", "accepted"), ("1.0", "accepted")]
    assert all(float(row["wall_time"]) >= 0 for row in timings)
    timeline = read_table(suite, "timeline", *job)
    assert sorted(row["task_type"] for row in timeline) == ["error", *["synthesis_batman"] * 2, *[SEARCH] * 2]
    tree = read_table(suite, "tree", str(ended))
    assert [(row["level"], row["radius"]) for row in tree if row["name"] == "good"] == [("3", "1.0"), ("3", "0.01")]
    shown = eas("timings", *job, "--data", suite.data)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert SEARCH in shown.stdout


def test_hosts_count_their_workers(suite: RunningSuite) -> None:
    (host,) = suite.ask("hosts")["items"]
    assert host["workers"] == 2
    assert [int(row["slots"]) for row in read_table(suite, "hosts")] == [host["slots"]]


def test_watch_prints_a_change_a_line_until_the_end(suite: RunningSuite, ended: int) -> None:
    done = eas("watch", str(ended), "--data", suite.data, "--json")
    assert (done.returncode, done.stderr) == (1, "")
    *changes, end = map(json.loads, done.stdout.splitlines())
    assert end == {"job_id": ended, "state": "failed"}
    assert [change["event_id"] for change in changes] == sorted(change["event_id"] for change in changes)
    blocked = [change["task_name"] for change in changes if change["after"] == "blocked"]
    assert blocked == ["after"]


def test_dead_letters_are_shown_and_discarded(suite: RunningSuite) -> None:
    """On a real suite: the commands' words, status and JSON are what is tested."""
    assert suite.ask("queues", "dead")["items"] == []
    with closing(sqlite3.connect(suite.data / "scheduler.db")) as database, database:
        statement = "INSERT INTO dead_letter (kind, payload, reason, created_at, died_at) VALUES (?, ?, ?, 1, 1)"
        database.executemany(statement, [("plan", '{"products": []}', f"reason {number}") for number in range(3)])

    rows = read_table(suite, "queues", "dead")
    assert [row["reason"] for row in rows] == ["reason 0", "reason 1", "reason 2"]
    assert suite.ask("queues", "dead", rows[1]["letter_id"])["content"] == {"products": []}
    discarded = eas("queues", "discard", rows[0]["letter_id"], "--data", suite.data)
    assert discarded.stdout == "1 dead letters discarded\n"
    assert eas("queues", "send-again", "--data", suite.data).returncode == 2
    again = eas("queues", "send-again", "--all", "--data", suite.data)
    assert again.stdout == "2 dead letters sent again\n"
    assert suite.ask("queues", "dead")["items"] == []


def test_queues_are_shown_purged_and_filled_again(suite: RunningSuite) -> None:
    slots = sum(worker["slots"] for worker in suite.get("/scheduler/workers") if not worker["gone"])
    busy = str(suite.submit({"task_list": [LONG] * slots})["job_id"])
    wait_until(lambda: suite.get(f"/scheduler/jobs/{busy}")["counts"]["running"] == slots)
    waiting = str(suite.submit({"job_name": "later", "task_list": [{"task": "null"}] * 3})["job_id"])

    # A worker that knows tasks of this type as short may take one ahead, and hands it back when its slots stay busy.
    wait_until(lambda: [row["job_name"] for row in read_table(suite, "queues", "show", "null")] == ["later"] * 3)
    (queue,) = suite.ask("queues")["items"]
    assert (queue["task_type"], queue["waiting"]) == ("null", 3)
    assert len(suite.ask("tree", busy, "--running")) == 1 + slots

    assert suite.ask("queues", "purge", "null") == {"task_type": "null", "purged": 3, "blocked": 0}
    assert suite.ask("queues", "list")["items"] == []
    assert suite.get(f"/scheduler/jobs/{waiting}")["state"] == "cancelled"
    shown = eas("queues", "reschedule", waiting, "--data", suite.data)
    assert shown.stdout == "3 put back into the queues\n"
    assert suite.ask("queues", "reschedule") == {"rescheduled": 0}

    suite.ask("cancel", busy)
    wait_until(lambda: suite.get(f"/scheduler/jobs/{waiting}")["state"] == "done")
