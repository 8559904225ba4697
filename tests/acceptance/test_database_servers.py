"""A suite on a database server, and its move from one kind of database to another, all by commands."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import RunningSuite, eas
from tests.support.databases import SERVER_KINDS, DatabaseServer
from tests.support.postgresql import PostgresqlServer
from tests.support.private_server import PASSWORD, USER

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]
LOOP = {"task": "execution_for_loop", "parameter": "n", "linear_range": [1, 3, 3], "task_list": [{"task": "null"}]}
JOB: dict[str, Any] = {"job_name": "small", "task_list": [LOOP]}


@pytest.fixture(params=SERVER_KINDS)
def server(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Gives users the right to make databases whose names begin so, and returns the URL for them."""
    kind: str = request.param

    def allow(name: str) -> str:
        found: DatabaseServer = request.getfixturevalue(f"{kind}_server")
        if isinstance(found, PostgresqlServer):
            found.query(f"ALTER ROLE {USER} CREATEDB")
            return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{found.port}/{name}"
        found.query(f"CREATE USER IF NOT EXISTS {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
        found.query(rf"GRANT ALL ON `{name}\_%`.* TO {USER}@'127.0.0.1'")
        return f"mysql://{USER}:{PASSWORD}@127.0.0.1:{found.port}/{name}"

    return allow


def test_a_suite_runs_on_a_server_and_moves(server: Callable[[str], str], tmp_path: Path) -> None:
    url = server("campaign")
    suite = RunningSuite(tmp_path / "data", "--database", url)
    try:
        job = suite.submit(JOB, "--wait")
        assert job["state"] == "done"
        assert not list(suite.data.glob("*.db"))
        dumped = eas("db", "dump", tmp_path / "{service}.gz", "--json", EAS_DATABASE=url)
        assert dumped.returncode == 0, dumped.stderr
        rows = json.loads(dumped.stdout)["services"][0]["rows"]
        assert rows["job"] == 1
    finally:
        assert suite.stop() == 0
    assert suite.errors.read_text() == ""
    checked = eas("db", "check", "--database", url, EAS_SCHEDULER_MAX_DOCUMENT_BYTES="4000000")
    assert checked.returncode == 0, checked.stdout
    refused = eas("db", "create", "--database", url)
    assert refused.returncode == 2
    assert "1 jobs" in refused.stderr
    assert PASSWORD not in dumped.stdout + checked.stdout + refused.stderr

    moved = tmp_path / "moved"
    assert eas("db", "restore", tmp_path / "{service}.gz", "--data", moved).returncode == 0
    again = RunningSuite(moved)
    try:
        assert [each["job_id"] for each in again.ask("jobs")] == [job["job_id"]]
        assert again.submit(JOB, "--wait")["job_id"] > job["job_id"]
    finally:
        assert again.stop() == 0


@pytest.mark.parametrize("kind", [kind for kind in SERVER_KINDS if kind != "postgresql"])
def test_a_user_who_may_not_make_databases_is_told_who_may(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    found: DatabaseServer = request.getfixturevalue(f"{kind}_server")
    found.query(f"CREATE USER IF NOT EXISTS guest@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
    url = f"mysql://guest:{PASSWORD}@127.0.0.1:{found.port}/forbidden"
    done = eas("up", "--data", tmp_path / "data", "--port", "0", "--database", url)
    assert (done.returncode, done.stdout) == (1, "")
    assert "An administrator of the server makes it with: CREATE DATABASE `forbidden_scheduler`" in done.stderr
    assert PASSWORD not in done.stderr
