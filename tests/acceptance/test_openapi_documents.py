"""Whatever is sent to the operations that the OpenAPI documents name, no service answers with an error of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import RunningSuite, running_suite

pytestmark = pytest.mark.acceptance

ROOT = Path(__file__).parents[2]
#: For each service [s].
SECONDS = os.environ.get("EAS_TEST_SCHEMATHESIS_SECONDS", "10")
#: They answer only after a while, or never end.
WAITING = ("claim_attempts", "follow_events", "follow_job")


@pytest.fixture(scope="module")
def hardened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSuite]:
    """A suite that nobody else needs: what is sent also cancels, purges and sets rules."""
    with running_suite(tmp_path_factory.mktemp("hardened") / "data") as found:
        yield found


@pytest.mark.timeout(4 * float(SECONDS) + 120)
@pytest.mark.parametrize("service", ["scheduler", "products", "logs"])
def test_no_request_makes_a_service_fail(hardened: RunningSuite, service: str, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("run", f"{hardened.url}/{service}/openapi.json"),
        *("--header", f"Authorization: Bearer {hardened.token}"),
        *("--checks", "not_a_server_error,status_code_conformance"),
        *("--phases", "examples,coverage,fuzzing"),
        *("--max-time", SECONDS, "--seed", "20261122", "--max-examples", "50"),
        *("--request-timeout", "70", "--suppress-health-check", "all", "--warnings", "off", "--no-color"),
        *(part for name in WAITING for part in ("--exclude-operation-id", name)),
    ]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "tests.acceptance.line_bodies", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
