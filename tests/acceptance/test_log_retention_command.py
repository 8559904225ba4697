"""`eas logs retention`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.conftest import RunningSuite, eas, running_suite

pytestmark = pytest.mark.acceptance

JOB = 17


def send_records(suite: RunningSuite) -> None:
    """Store ten records of DEBUG and ten of ERROR, one a day back."""
    now = datetime.now(UTC) - timedelta(minutes=1)
    records = [
        {
            "attempt_id": 1,
            "job_id": JOB,
            "stream": "s",
            "sequence": 2 * age + place,
            "time": (now - timedelta(days=age)).isoformat(),
            "level": level,
            "message": "x",
        }
        for age in range(10)
        for place, level in enumerate((10, 40))
    ]
    tokens = json.loads((suite.data / "tokens.json").read_text())
    token = next(token for token, entry in tokens.items() if entry["name"] == "worker")
    headers = {"Authorization": f"Bearer {token}"}
    httpx.post(f"{suite.url}/logs/records", json={"records": records}, headers=headers).raise_for_status()


def test_a_policy_is_tried_set_and_run(tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text('{"rules": [{"max_level": "debug", "older_than_days": 4}]}')
    with running_suite(tmp_path / "data") as suite:
        send_records(suite)

        def ask(*arguments: str | Path) -> Any:
            done = eas("logs", "retention", *map(str, arguments), "--data", suite.data, "--json")
            return json.loads(done.stdout)

        def count() -> int:
            found = eas("logs", "--job", str(JOB), "--data", suite.data, "--json").stdout
            return len(json.loads(found))

        assert ask()["policy"] == {"rules": [], "max_bytes": None}
        tried = ask(policy)
        assert (tried["report"]["expired"], tried["report"]["dry_run"], count()) == ({"10": 6}, True, 20)
        assert ask()["policy"]["rules"] == []
        assert "is set can be run" in ask(policy, "--run")["error"]["message"]
        assert ask(policy, "--set")["report"]["dry_run"] is True
        assert ask()["report"]["expired"] == {"10": 6}
        table = eas("logs", "retention", "--data", suite.data).stdout
        assert [word in table for word in ("debug", "4 days", "would go", "bytes in use")] == [True] * 4
        done = ask("--run")
        assert (done["report"]["expired"], done["report"]["dry_run"], count()) == ({"10": 6}, False, 14)
        policy.write_text('{"rules": [{"max_level": "debug"}]}')
        assert "older_than_days" in ask(policy)["error"]["message"]
        assert "--set needs a file" in ask("--set")["error"]["message"]
