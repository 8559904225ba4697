"""Products that no job declared, found by another job again."""

from __future__ import annotations

import pytest

from eas_scheduler.domain.job_mode import is_found_again
from eas_scheduler.domain.task import KnownPromise


@pytest.mark.parametrize(
    ("task_type", "slot", "expected"),
    [
        ("ingest", "lightcurve_00000", True),
        ("ingest", "lightcurve_00007", True),
        ("ingest", "lightcurve", False),
        ("ingest", "report_00000", False),
        ("detrend", "lightcurve_00000", False),
    ],
)
def test_the_same_type_may_find_the_same_kind_again(task_type: str, slot: str, expected: bool) -> None:
    known = KnownPromise(1, 2, "lightcurve_00000", "d", "a.npz", task_type="ingest")
    assert is_found_again([known], task_type, slot) is expected
