"""A product whose bytes were damaged is found, put aside, and made again by trying its task again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.conftest import RunningSuite, eas, running_suite, wait_until

pytestmark = pytest.mark.acceptance

SPECS = {
    "duration": 5,
    "orbital_period": 2,
    "semi_major_axis": 0.05,
    "planet_radius": 1,
    "sampling_cadence": 1800,
    "noise": 1e-5,
}
STAR: dict[str, Any] = {
    "working_directory": "stars",
    "task_list": [
        {"task": "synthesis_batman", "name": "star", "outputs": {"lightcurve": "star.npz"}, "specs": SPECS},
        {"task": "verify", "inputs": {"lightcurve": "star.npz"}},
    ],
}


def read(suite: RunningSuite, version: int) -> httpx.Response:
    headers = {"Authorization": f"Bearer {suite.token}"}
    return httpx.get(f"{suite.url}/products/versions/{version}/content", headers=headers)


def flip_a_byte(path: Path) -> None:
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_damaged_product_is_made_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_suite(data) as suite:
        job = str(suite.submit(STAR, "--wait", "--timeout", "100")["job_id"])
        task = next(line["task_id"] for line in suite.ask("tree", job) if line["task_type"] == "synthesis_batman")
        (made,) = suite.ask("task", str(task))["attempts"][-1]["outputs"]
        content = read(suite, made["version_id"]).content
        assert suite.ask("products", "verify")["damaged"] == []
        (path,) = [found for found in data.rglob("objects/*/*") if found.read_bytes() == content]
        flip_a_byte(path)

        found = suite.ask("products", "verify", status=1)

        assert [version["version_id"] for version in found["damaged"]] == [made["version_id"]]
        assert "quarantine/damage-1-version-" in eas("products", "verify", "--data", data).stdout
        assert (data / "products" / "quarantine" / found["damages"][0]["quarantined_as"]).is_file()
        refused = read(suite, made["version_id"])
        assert (refused.status_code >= 500, refused.json()["slug"]) == (True, "damaged")

        suite.ask("products", "reject", str(made["version_id"]), "--reason", "damaged on disk")
        suite.ask("retry", job, "--task", str(task))
        wait_until(lambda: len(suite.ask("task", str(task))["attempts"]) == 2, seconds=180)
        wait_until(lambda: suite.ask("task", str(task))["state"] == "done", seconds=180)
        (again,) = suite.ask("task", str(task))["attempts"][-1]["outputs"]
        assert read(suite, again["version_id"]).content == content
        # The same bytes have come again: who asks for the version that was damaged gets them, too
        assert read(suite, made["version_id"]).content == content
        found = suite.ask("products", "verify")
        assert (found["damaged"], found["damages"], found["checked"]) == ([], [], 2)

        # Files that no version names have a status of their own
        orphan = path.with_name(path.name[:2] + "orphan")
        orphan.write_bytes(b"1")
        os.utime(orphan, (1e9, 1e9))
        assert [entry["name"] for entry in suite.ask("products", "verify", status=3)["orphans"]] == [orphan.name]
        assert suite.ask("products", "verify", "--delete-orphans")["orphans_removed"]
        assert not orphan.exists()
