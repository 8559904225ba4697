"""What is left of a light curve that is thinned out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eas_product_store.previews.light_curves import thin_out

TIMES = st.lists(st.floats(-1e300, 1e300) | st.just(5.0) | st.floats(0, 30), min_size=1, max_size=60)


def test_a_single_deep_sample_among_a_million_stays() -> None:
    times = np.linspace(0.0, 100.0, 1_000_000)
    values = np.ones(len(times))
    values[123_456] = 0.5
    values[654_321] = 1.5
    kept = thin_out(times, values, 100)
    assert len(kept) <= 100
    assert {123_456, 654_321} <= set(kept.tolist())


def test_a_gap_stays_a_gap_and_both_sides_are_shown() -> None:
    times = np.concatenate((np.linspace(0, 1, 5000), np.linspace(99, 100, 5000)))
    kept = times[thin_out(times, np.sin(times * 50), 400)]
    assert not ((kept > 1) & (kept < 99)).any()
    assert (kept <= 1).any()
    assert (kept >= 99).any()


@pytest.mark.parametrize("points", [2, 3, 10])
@given(times=TIMES, seed=st.integers(0, 9))
def test_any_times_give_no_more_samples_than_wanted_and_the_extremes_are_among_them(
    points: int, times: list[float], seed: int
) -> None:
    moments = np.array(times)
    values = np.random.default_rng(seed).normal(size=len(times))
    kept = thin_out(moments, values, points)
    assert len(kept) <= max(points, 1)
    assert len(set(kept.tolist())) == len(kept)
    assert (np.diff(moments[kept]) >= 0).all()
    assert values[kept].min() == values.min()
    assert values[kept].max() == values.max()


def test_few_samples_all_stay_in_the_order_of_time() -> None:
    assert thin_out(np.array([3.0, 1.0, 2.0]), np.zeros(3), 10).tolist() == [1, 2, 0]
