"""The contract for scripts: commands, their JSON, their exit statuses."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from eas.client.notebook import connect
from tests.acceptance.conftest import RunningSuite, eas, wait_until

pytestmark = pytest.mark.acceptance

STATES = {"waiting", "queued", "running", "done", "failed", "blocked", "cancelled"}
SEARCH: dict[str, Any] = {
    "job_name": "search",
    "working_directory": "search",
    "seed": 1,
    "task_list": [
        {
            "task": "execution_for_loop",
            "parameter": "radius",
            "values": [0.1, 1.0],
            "task_list": [
                {
                    "task": "synthesis_batman",
                    "outputs": {"lightcurve": "'star_{radius_index}.npz'.format(**metadata)"},
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
                    "name": "bls",
                    "inputs": {"lightcurve": "'star_{radius_index}.npz'.format(**metadata)"},
                    "lc_duration": 8,
                },
            ],
        }
    ],
}


@pytest.fixture(scope="module")
def searched(suite: RunningSuite) -> Any:
    """A job that has ended."""
    return suite.submit(SEARCH, "--wait", "--timeout", "100")


def test_the_suite_says_one_line_and_guards_its_tokens(suite: RunningSuite) -> None:
    assert suite.first_line == f"EAS is ready at {suite.url} (Ctrl-C stops it)\n"
    for name in ("tokens.json", "endpoint.json"):
        assert stat.S_IMODE((suite.data / name).stat().st_mode) == 0o600


@pytest.mark.parametrize("mount", ["scheduler", "products", "logs"])
def test_each_service_is_documented_where_it_is_mounted(suite: RunningSuite, mount: str) -> None:
    with urllib.request.urlopen(f"{suite.url}/{mount}/openapi.json") as response:
        description = json.load(response)
    with urllib.request.urlopen(f"{suite.url}/{mount}/docs") as response:
        page = response.read().decode()

    assert description["servers"] == [{"url": f"/{mount}"}]
    assert f"/{mount}/openapi.json" in page


def test_the_root_leads_to_the_services_and_says_that_they_are_ready(suite: RunningSuite) -> None:
    with urllib.request.urlopen(suite.url) as response:
        index = json.load(response)
    with urllib.request.urlopen(f"{suite.url}/health/ready") as response:
        health = json.load(response)

    assert {found["url"] for found in index["services"].values()} == {"/scheduler", "/products", "/logs"}
    assert health["status"] == "ok"


def test_without_a_token_nothing_is_told(suite: RunningSuite) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{suite.url}/scheduler/jobs")
    assert caught.value.code == 401
    caught.value.close()


def test_a_submitted_job_is_described(searched: Any) -> None:
    assert isinstance(searched["job_id"], int)
    assert searched["state"] == "done"
    assert searched["counts"].keys() == STATES
    assert searched["counts"]["done"] == 8


def test_jobs_lists_jobs_with_their_counts(suite: RunningSuite, searched: Any) -> None:
    found = suite.ask("jobs", "--name", "search", "--state", "done")
    assert [job["job_id"] for job in found] == [searched["job_id"]]
    assert found[0]["name"] == "search"
    assert found[0]["counts"]["done"] == 8
    assert suite.ask("jobs", "--limit", "0") == []
    assert suite.ask("jobs", "--name", "search", "--state", "cancelled") == []


def test_tree_lists_parents_before_their_children(suite: RunningSuite, searched: Any) -> None:
    lines = suite.ask("tree", str(searched["job_id"]))
    assert [line["level"] for line in lines] == [0, 1, 2, 3, 3, 2, 3, 3]
    assert [line["level"] for line in suite.ask("tree", str(searched["job_id"]), "--depth", "1")] == [0, 1]
    plain = eas("tree", str(searched["job_id"]), "--data", suite.data).stdout.splitlines()
    assert plain[2].endswith("execution_chain radius=0.1  done")


def test_results_tell_which_planets_were_found(suite: RunningSuite, searched: Any) -> None:
    results = suite.ask("results", str(searched["job_id"]))
    searches = [found for found in results if found["task_type"] == "transit_search_bls_reference"]
    assert [(found["inherited"]["radius"], found["outcome"]) for found in searches] == [(0.1, "FAIL"), (1.0, "PASS")]
    assert searches[1]["metadata"]["period"] == pytest.approx(2, rel=0.01)
    task = suite.ask("task", str(searches[1]["task_id"]))
    assert [attempt["state"] for attempt in task["attempts"]] == ["accepted"]


def test_logs_are_found_by_job_and_level(suite: RunningSuite, searched: Any) -> None:
    records = suite.ask("logs", "--job", str(searched["job_id"]))
    assert any("outcome PASS" in record["message"] for record in records)
    times = [record["time"] for record in records]
    assert times == sorted(times)
    assert suite.ask("logs", "--job", str(searched["job_id"]), "--limit", "1") == records[-1:]
    assert suite.ask("logs", "--job", str(searched["job_id"]), "--level", "critical") == []


def test_logs_are_found_by_words_host_and_time_and_exported(suite: RunningSuite, searched: Any) -> None:
    job = ("logs", "--job", str(searched["job_id"]))
    records = suite.ask(*job)
    passed = [record for record in records if "outcome PASS" in record["message"]]
    assert suite.ask(*job, "--text", '"outcome pass"') == passed
    assert suite.ask(*job, "--text", "outcome", "--host", "another") == []
    assert suite.ask(*job, "--since", "9000-01-01T00:00Z") == []
    assert suite.ask(*job, "--until", "9000-01-01") == records
    lines = eas(*job, "--ndjson", "--data", suite.data).stdout.splitlines()
    assert [json.loads(line)["record_id"] for line in lines] == [record["record_id"] for record in records]
    table = list(csv.DictReader(io.StringIO(eas(*job, "--csv", "--data", suite.data).stdout)))
    assert [int(row["record_id"]) for row in table] == [record["record_id"] for record in records]
    assert eas(*job, "--csv", "--ndjson", "--data", suite.data).returncode != 0
    assert eas(*job, "--since", "yesterday", "--data", suite.data).returncode != 0


def test_logs_can_be_followed(suite: RunningSuite, searched: Any) -> None:
    records = suite.ask("logs", "--job", str(searched["job_id"]), "--limit", "2")
    command = [sys.executable, "-m", "eas_control.main", "logs", "--follow", "--ndjson", "--limit", "2"]
    with subprocess.Popen(
        [*command, "--job", str(searched["job_id"]), "--data", str(suite.data)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in records]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    assert [line["record_id"] for line in lines] == [record["record_id"] for record in records]


def test_products_are_listed_and_fetched(suite: RunningSuite, searched: Any, tmp_path: Path) -> None:
    listed = suite.ask("products", "ls", "--directory", "search", "--glob", "star_*")
    assert [product["filename"] for product in listed] == ["star_0.npz", "star_1.npz"]

    by_name = suite.ask("products", "get", "search/star_1.npz", "-o", tmp_path / "mine.npz")
    by_number = suite.ask("products", "get", str(listed[1]["product_id"]), "-o", tmp_path)
    of_job = suite.ask("products", "get", "--job", str(searched["job_id"]), "--to", tmp_path / "all", "--glob", "*_1.*")

    content = (tmp_path / "mine.npz").read_bytes()
    assert hashlib.md5(content, usedforsecurity=False).hexdigest() == by_name["md5"] == listed[1]["latest"]["md5"]
    assert Path(by_number["path"]) == tmp_path / "star_1.npz"
    assert [Path(found["path"]).read_bytes() for found in of_job] == [content]


def test_a_version_is_shown_and_plotted(suite: RunningSuite, searched: Any, tmp_path: Path) -> None:
    (listed,) = suite.ask("products", "ls", "--directory", "search", "--glob", "star_1.npz")
    version = str(listed["latest"]["version_id"])
    shown = suite.ask("products", "preview", version, "--points", "50")
    assert (shown["form"], shown["time_unit"], len(shown["times"]) <= 50) == ("light_curve", "d", True)
    printed = eas("products", "preview", version, "--data", suite.data)
    assert printed.returncode == 0, printed.stderr
    assert f"{shown['samples']}, 0 of them flagged" in printed.stdout
    picture = tmp_path / "plot.png"
    made = suite.ask("products", "preview", version, "--output", picture, "--width", "320")
    assert made["form"] == "plot"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert suite.ask("products", "preview", version, "--form", "plot", status=2)["error"]["slug"] == "usage"
    assert suite.ask("products", "preview", version, "--form", "headers", status=1)["error"]["slug"] == "no_preview"
    with connect(suite.data) as client:
        preview = client.product("search/star_1.npz").preview()
        assert preview._repr_png_() is not None
        assert preview.forms == ("light_curve", "plot")


def test_a_product_that_is_not_there_is_named(suite: RunningSuite, tmp_path: Path) -> None:
    error = suite.ask("products", "get", "search/star_*", "-o", tmp_path / "x", status=1)["error"]
    assert error["slug"] == "not_found"
    assert list(tmp_path.iterdir()) == []


def test_workers_and_task_types_are_listed(suite: RunningSuite) -> None:
    workers = suite.ask("workers")
    assert len(workers) == 2
    assert not any(worker["gone"] for worker in workers)
    assert {"null", "execution_for_loop"} <= {found["name"] for found in suite.ask("task-types")}


def test_a_worker_that_is_told_to_stop_goes(suite: RunningSuite) -> None:
    worker = suite.ask("workers")[0]["worker_id"]
    assert suite.ask("drain", worker) == {"draining": [worker]}
    wait_until(lambda: worker not in suite.workers(), seconds=120)
    assert suite.ask("drain", worker, status=1)["error"]["slug"] == "not_found"
    wait_until(lambda: len(suite.workers()) == 2, seconds=120)  # in its place another one begins


def test_the_environment_leads_to_the_suite(suite: RunningSuite) -> None:
    found = eas("jobs", "--json", EAS_URL=suite.url, EAS_TOKEN=suite.token)
    refused = eas("jobs", "--json", EAS_URL=suite.url, EAS_TOKEN="wrong")

    assert found.returncode == 0
    assert isinstance(json.loads(found.stdout), list)
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["error"]["slug"] == "unauthenticated"


@pytest.mark.parametrize(
    ("text", "slug", "where"),
    [
        ('{"task_list": [', "invalid_json", "line 1"),
        ('{"task_list": [{"task": "nope"}]}', "invalid_job", "$.task_list[0].task"),
        ('{"task_list": [{"task": "verify", "inputs": {"lightcurve": "a"}}]}', "invalid_job", "$.task_list[0].inputs"),
        ('{"task_list": [{"task": "null", "duration": "(__import__(1))"}]}', "invalid_job", "$.task_list[0].duration"),
        ('{"working_directory": "../up", "task_list": []}', "invalid_job", "$.working_directory"),
        ('{"task_list": [{"task": "transit_search_bls_reference"}]}', "invalid_job", "$.task_list[0]"),
    ],
)
def test_a_bad_document_is_refused_with_its_place(suite: RunningSuite, text: str, slug: str, where: str) -> None:
    before = suite.ask("jobs")

    error = suite.ask("submit", "-", text=text, status=2)["error"]

    assert error["slug"] == slug
    assert error["where"].startswith(where)
    assert error["exit_status"] == 2
    assert suite.ask("jobs") == before


def test_all_problems_of_a_document_are_listed_for_people(suite: RunningSuite) -> None:
    text = '{"task_list": [{"task": "nope"}, {"task": "null", "duration": -1}]}'

    done = eas("submit", "-", "--data", suite.data, text=text)

    assert done.returncode == 2
    assert done.stdout == ""
    assert "$.task_list[0].task: there is no task type 'nope'" in done.stderr
    assert "$.task_list[1].duration: " in done.stderr


def test_a_job_that_fails_has_status_1(suite: RunningSuite) -> None:
    failing = {"task_list": [{"task": "error", "message": "on purpose", "reason": "input"}]}

    job = suite.submit(failing, "--wait", status=1)

    assert job["state"] == "failed"
    assert job["counts"]["failed"] == 1
    (result,) = suite.ask("results", str(job["job_id"]))
    assert (result["state"], result["outcome"]) == ("failed", None)


def test_waiting_can_be_given_up(suite: RunningSuite) -> None:
    error = suite.submit({"task_list": [{"task": "null", "duration": 3}]}, "--wait", "--timeout", "0.2", status=1)[
        "error"
    ]
    assert error["slug"] == "timeout"
