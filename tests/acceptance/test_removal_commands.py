"""`eas products pin`, `rm`, `retention`, `gc` and `quota`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.conftest import RunningSuite, eas, running_suite

pytestmark = pytest.mark.acceptance


def upload(suite: RunningSuite, attempt: int) -> int:
    query: dict[str, Any] = {"directory": "trials", "filename": "f", "semantic_type": "t", "task_id": 1, "job_id": 1}
    answer = httpx.put(
        f"{suite.url}/products/versions",
        params=query | {"attempt_id": attempt},
        content=b"%d" % attempt,
        headers={"Authorization": f"Bearer {suite.token}"},
    )
    answer.raise_for_status()
    return int(answer.json()["version_id"])


def test_versions_are_pinned_removed_restored_and_purged(tmp_path: Path) -> None:
    with running_suite(tmp_path / "data") as suite:
        first, second, third = (upload(suite, attempt) for attempt in (1, 2, 3))

        def ask(*arguments: str | int | Path) -> Any:
            done = eas("products", *map(str, arguments), "--data", tmp_path / "data", "--json")
            return (
                json.loads(done.stdout) | {"status": done.returncode}
                if done.stdout[0] == "{"
                else json.loads(done.stdout)
            )

        assert "figure 3" in ask("pin", first, "--reason", "figure 3")[0]["pin"]
        refused = ask("rm", first, "--force")
        assert (refused["error"]["slug"], refused["status"] != 0) == ("conflict", True)
        assert ask("rm", second)[0]["deleted_at"] is not None
        assert ask("restore", second)[0]["deleted_at"] is None
        # Retention: first a plan, then the deed
        rules = tmp_path / "rules.json"
        rules.write_text('[{"name": "old", "directory": "trials", "keep_newest": 1}]')
        planned = ask("retention", rules)["findings"][0]
        assert (planned["versions"], planned["spared_versions"]) == (1, 1)
        assert ask("gc", "--grace", 0)["versions"] == 0
        assert ask("retention", rules, "--run")["findings"][0]["versions"] == 1
        assert ask("gc", "--grace", 0)["files"] == 1
        assert ask("restore", second)["error"]["slug"] == "gone"
        assert ask("unpin", first)[0]["pin"] is None
        # Quotas
        assert ask("quota", "trials", "--max", 2)[0] == {"directory": "trials", "max_bytes": 2, "used_bytes": 2}
        with pytest.raises(httpx.HTTPStatusError, match="413"):
            upload(suite, 4)
        assert "trials" in eas("products", "quota", "--data", tmp_path / "data").stdout
        assert ask("quota", "trials", "--remove") == []
        rules.write_text('[{"name": "old", "keep_newest": -1}]')
        assert ask("retention", rules)["status"] == 2
        assert ask("rm", third)[0]["version_id"] == third
