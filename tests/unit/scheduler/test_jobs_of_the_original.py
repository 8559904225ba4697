"""Jobs as people wrote them for the original system: accepted unchanged, with the task types that EAS ships.

Its Python took 0 and 1 for booleans, integers for floats, and text of numbers that came out of its metadata.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from eas_scheduler.domain.job_language.document import check_document
from eas_scheduler.domain.job_language.expansion import describe_root, expand
from eas_scheduler.domain.job_language.plan import Plan
from eas_scheduler.domain.job_language.problems import ProblemList
from eas_scheduler.domain.task_settings import TaskTypeSpecification
from eas_scheduler.storage.registry import specify
from eas_scheduler.storage.shipped_task_types import read_shipped_task_types

LC = "'lc_{r_index}.gz'.format(**metadata)"


@pytest.fixture(scope="module")
def task_types() -> dict[str, TaskTypeSpecification]:
    return {name: specify(found) for name, found in read_shipped_task_types().items()}


def loop(parameter: str, *body: Any, **values: Any) -> dict[str, Any]:
    return {"task": "execution_for_loop", "parameter": parameter, **values, "task_list": list(body)}


def batman(**specs: Any) -> dict[str, Any]:
    return {"task": "synthesis_batman", "name": "synthesis", "outputs": {"lightcurve": LC}, "specs": specs}


def psls(**specs: Any) -> dict[str, Any]:
    return {"task": "synthesis_psls", "name": "synthesis", "outputs": {"lightcurve": LC}, "specs": specs}


def search(kind: str, **keys: Any) -> dict[str, Any]:
    return {"task": f"transit_search_{kind}", "name": kind, "inputs": {"lightcurve": LC}, **keys}


RADII: dict[str, Any] = {"values": ["(constants.Rearth)", "(constants.Rearth * 2)"]}
JOBS: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "earths and searches": (
        loop(
            "r",
            batman(duration=730, planet_radius="(metadata['r'])", noise=0, threads=1.0, sampling_cadence="25"),
            {"task": "verify", "inputs": {"lightcurve": LC}},
            search("tls", lc_duration=730, search_settings={"period_min": 0.5, "period_max": "400"}),
            search("bls_reference", lc_duration="730"),
            search("bls_kovacs", lc_duration=730),
            search("qats", lc_duration=730, outputs={"debugging": "'q_{r_index}.tar.gz'.format(**metadata)"},
                   search_settings={"duration_count": 16.0, "min_transit_count": "2"}),
            **RADII,
        ),
        {"synthesis_batman": 2, "verify": 2, "transit_search_qats": 2},
    ),
    "psls with 0 and 1": (
        loop(
            "r",
            psls(mode="main_sequence", enable_transits=1, enable_systematics=0, enable_random_noise=1, mask_updates=0,
                 number_camera_groups=4, number_cameras_per_group=6.0, nsr="73", planet_radius="(metadata['r'])"),
            search("tls", lc_duration=90),
            **RADII,
        ),
        {"synthesis_psls": 2, "transit_search_tls": 2},
    ),
    "transits that are switched by a loop": (
        loop("on", loop("r", psls(enable_transits="(metadata['on'])"), linear_range=[0.1, 1, 3]), values=[1]),
        {"synthesis_psls": 3},
    ),
    "a branch on a result": (
        loop(
            "r",
            batman(duration=40, orbital_period=5, semi_major_axis=0.06, planet_radius="(metadata['r'])"),
            search("tls", lc_duration=40),
            {"task": "execution_conditional", "requires_metadata_from": ["tls"],
             "criterion": "(requested_metadata['tls']['sde'] > 9)", "task_list": [{"task": "null"}]},
            log_range=[0.1, 10, 2],
        ),
        {"synthesis_batman": 2, "execution_conditional": 2},
    ),
    "a criterion of 0": (
        {"task": "execution_conditional", "criterion": 0, "task_list": [{"task": "error"}],
         "else_task_list": [{"task": "null"}]},
        {"null": 1},
    ),
    "at most twice": (
        {"task": "execution_do_while_loop", "iteration_name": "pass", "requires_metadata_from_child": ["chk"],
         "repeat_criterion": "(metadata['pass_index'] < 2)", "task_list": [{"task": "null", "name": "chk"}]},
        {"null": 1},
    ),
    "two curves multiplied": (
        loop(
            "r",
            psls(enable_transits=0),
            {"task": "synthesis_batman", "outputs": {"lightcurve": "'t_{r_index}.gz'.format(**metadata)"}},
            {"task": "multiply", "inputs": {"lightcurve_1": LC, "lightcurve_2": "'t_{r_index}.gz'.format(**metadata)"},
             "outputs": {"lightcurve": "'m_{r_index}.gz'.format(**metadata)"}},
            {"task": "binning", "cadence": "600", "inputs": {"lightcurve": "'m_{r_index}.gz'.format(**metadata)"},
             "outputs": {"lightcurve": "'b_{r_index}.gz'.format(**metadata)"}},
            linear_range=[1, 2, 2.0],
        ),
        {"multiply": 2, "binning": 2},
    ),
    "external curves": (
        {"task": "ingest_external_lcs", "lc_type": "lcsg", "input_path": "lightcurves_v2/csvs/bright/plato_bright*"},
        {"ingest_external_lcs": 1},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", JOBS)
def test_a_job_is_accepted_unchanged(name: str, task_types: dict[str, TaskTypeSpecification]) -> None:
    task, counts = JOBS[name]
    document = {"job_name": name, "working_directory": "demo", "task_list": [task]}
    problems = ProblemList()
    check_document(document, task_types, problems)
    plan: Plan = expand(describe_root(document, 1, problems), task_types, problems)
    assert [(found.where, found.message) for found in problems.problems] == []
    planned = Counter(planned.task_type for planned in plan.tasks)
    assert {kind: planned[kind] for kind in counts} == counts
