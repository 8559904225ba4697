"""What a plan says of a search's run time is what the search says itself, for a curve as the plan takes for granted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from eas.authoring.task_type import TaskType
from eas_scheduler.domain.estimates import estimate_all
from eas_scheduler.domain.task_settings import TaskTypeSpecification
from eas_worker.science import transit_search_bls, transit_search_kovacs, transit_search_qats, transit_search_tls
from eas_worker.science.search_cost import SearchCost
from eas_worker.science.stellar_grid import StellarTemplate
from eas_worker.storage.task_types import describe_task_type
from eas_worker.tasks.transit_search_bls_kovacs import TASK_TYPE as KOVACS
from eas_worker.tasks.transit_search_bls_reference import TASK_TYPE as BLS
from eas_worker.tasks.transit_search_qats import TASK_TYPE as QATS
from eas_worker.tasks.transit_search_tls import TASK_TYPE as TLS

PER_DAY = 144


def planned(task_type: TaskType, days: float, settings: dict[str, Any]) -> float:
    """The estimate [s] of the plan of a job."""
    found = describe_task_type(task_type)
    specification = TaskTypeSpecification(
        found.name, "1", found.settings_schema, {}, {}, estimates=tuple(found.estimates)
    )
    written = {"lc_duration": days} | ({"search_settings": settings} if settings else {})
    (value,) = estimate_all(specification, written)
    assert value is not None
    return value


def told(task_type: TaskType, days: float, settings: dict[str, Any]) -> float:
    """The estimate [s] of the search itself."""
    times = np.arange(round(days * PER_DAY)) / PER_DAY
    return _cost(task_type, times, settings).seconds


def _cost(task_type: TaskType, times: Any, settings: dict[str, Any]) -> SearchCost:
    if task_type is BLS:
        boxes = transit_search_bls.BoxGrid(**settings)
        upper = min(boxes.period_max or np.inf, times[-1] / 2)
        step = boxes.frequency_factor * boxes.duration_min / times[-1] ** 2
        return transit_search_bls.estimate_cost(1 / np.arange(1 / upper, 1 / boxes.period_min, step), times.size, boxes)
    if task_type is KOVACS:
        folds = transit_search_kovacs.FoldedGrid(**settings)
        upper = min(folds.period_max or np.inf, times[-1] / 2)
        count = (1 / folds.period_min - 1 / upper) * times[-1] ** 2 / (folds.frequency_factor * 0.05)
        return transit_search_kovacs.estimate_cost(int(count), times.size, folds, folds.box_widths().size)
    if task_type is TLS:
        template = StellarTemplate(**settings)
        return transit_search_tls.estimate_cost(template.trial_periods(float(times[-1])).size, times.size)
    chains = transit_search_qats.IntervalGrid(**settings)
    shortest, longest = chains.bounds(1 / PER_DAY, float(times[-1]))
    return transit_search_qats.estimate_cost(times.size, chains.box_lengths(1 / PER_DAY).size, shortest, longest)


@pytest.mark.parametrize("days", [27.0, 90.0, 400.0])
@pytest.mark.parametrize(
    ("task_type", "settings"),
    [
        (BLS, {}),
        (BLS, {"period_min": 3.0, "period_max": 9.0, "duration_min": 0.1, "duration_count": 30}),
        (KOVACS, {}),
        (KOVACS, {"period_min": 2.0, "qmin": 0.001, "frequency_factor": 0.5}),
        (KOVACS, {"phase_bins": 200, "qmin": 0.05}),
        (TLS, {}),
        (TLS, {"star_radius": 0.3, "star_mass": 0.35, "oversampling_factor": 7}),
        (TLS, {"period_min": 0.1, "period_max": 5.0, "star_radius": 2.0, "star_mass": 1.3}),
        (QATS, {}),
        (QATS, {"period_min": 1.0, "max_ttv_mag": 0.1, "duration_count": 4}),
        (QATS, {"period_max": 8.0, "min_transit_count": 3, "max_ttv_mag": 0.01}),
    ],
)
def test_a_plan_says_what_the_search_says(task_type: TaskType, settings: dict[str, Any], days: float) -> None:
    assert 0.5 < planned(task_type, days, settings) / told(task_type, days, settings) < 2


@pytest.mark.parametrize("task_type", [BLS, KOVACS, TLS, QATS])
def test_a_range_without_a_period_takes_no_time(task_type: TaskType) -> None:
    assert planned(task_type, 5.0, {"period_min": 90.0}) == 0


def test_integers_and_other_spellings_of_settings_are_estimated_too() -> None:
    assert planned(BLS, 90, {"period_min": 1, "period_max": None}) == pytest.approx(
        planned(BLS, 90.0, {"period_min": 1.0})
    )
