"""A job as people wrote it for the original system runs to its end. Only real workers show that its settings arrive."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.acceptance.conftest import RunningSuite

pytestmark = pytest.mark.acceptance

CURVE = "'lc_{r_index}.gz'.format(**metadata)"
SPECS: dict[str, Any] = {
    "duration": 40,
    "orbital_period": "5",
    "semi_major_axis": 0.06,
    "planet_radius": "(metadata['r'])",
    "sampling_cadence": "1.8e3",
    "threads": 1.0,
    "noise": 0,
}
JOB: dict[str, Any] = {
    "job_name": "probe",
    "working_directory": "probe_of_the_original",
    "task_list": [
        {
            "task": "execution_for_loop",
            "parameter": "r",
            "linear_range": [0.5, 1, 2],
            "task_list": [
                {"task": "synthesis_batman", "name": "make", "outputs": {"lightcurve": CURVE}, "specs": SPECS},
                {"task": "verify", "name": "verify", "inputs": {"lightcurve": CURVE}},
                {
                    "task": "transit_search_bls_reference",
                    "name": "find",
                    "lc_duration": "40",
                    "inputs": {"lightcurve": CURVE},
                },
                {
                    "task": "execution_conditional",
                    "requires_metadata_from": ["find", "verify"],
                    "criterion": "(requested_metadata['find']['period'] > 1)",
                    "task_list": [{"task": "null", "duration": "0"}],
                },
            ],
        }
    ],
}


def test_a_job_runs_unchanged(suite: RunningSuite) -> None:
    job = suite.submit(JOB, "--wait")
    tree = suite.ask("tree", str(job["job_id"]))
    assert (job["state"], {line["state"] for line in tree}) == ("done", {"done"})
    made = next(line["task_id"] for line in tree if line["task_type"] == "synthesis_batman")
    settings = suite.get(f"/scheduler/tasks/{made}")["attempts"][0]["settings"]["specs"]
    became = {**SPECS, "duration": 40.0, "orbital_period": 5.0, "sampling_cadence": 1800.0, "threads": 1, "noise": 0.0}
    assert json.dumps(settings) == json.dumps({**became, "planet_radius": 0.5})
    assert len([line for line in tree if line["task_type"] == "null"]) == 2
