"""The classes: rasters, flags, truncation, arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eas.lightcurve import FixedStepLightCurve, LightCurve, LightCurveError

SECOND = 1 / 86400


def steady(count: int = 20, *, step: float = 0.25, start: float = 0.0, flux: float = 1.0) -> LightCurve:
    return LightCurve(start + np.arange(count) * step, np.full(count, flux))


# --- What a curve is made of


def test_flags_are_what_was_given_and_not_the_fluxes() -> None:
    curve = LightCurve([0, 1, 2], [5, 6, 7], flags=[0, 1, 0])
    assert curve.flags.tolist() == [False, True, False]


def test_uncertainties_and_flags_default_to_none_known_and_none_bad() -> None:
    curve = steady(3)
    assert curve.uncertainties.tolist() == [0, 0, 0]
    assert not curve.flags.any()


@pytest.mark.parametrize("fluxes", [[1, 2], [[1, 2, 3]], 1.0])
def test_arrays_of_other_shapes_are_refused(fluxes: object) -> None:
    with pytest.raises(LightCurveError, match="equally long"):
        LightCurve([0, 1, 2], fluxes)  # type: ignore[arg-type]


def test_a_sample_without_a_time_is_refused() -> None:
    with pytest.raises(LightCurveError, match="finite time"):
        LightCurve([0, np.nan], [1, 1])


@pytest.mark.parametrize("step", [0.0, -1.0, np.nan])
def test_a_fixed_raster_needs_a_positive_step(step: float) -> None:
    with pytest.raises(LightCurveError, match="positive step"):
        FixedStepLightCurve(0, step, [1, 2])


def test_good_leaves_out_flagged_and_not_finite_samples() -> None:
    curve = LightCurve([0, 1, 2, 3], [1, np.nan, 3, 4], flags=[0, 0, 1, 0], uncertainties=[1, 2, 3, 4])
    good = curve.good()
    assert good.times.tolist() == [0, 3]
    assert good.uncertainties.tolist() == [1, 4]


# --- Rasters


@given(start=st.floats(-1e4, 1e4), step=st.floats(1e-5, 10), count=st.integers(1, 200))
@settings(deadline=None)
def test_the_fixed_raster_is_start_plus_k_steps_to_the_bit(start: float, step: float, count: int) -> None:
    curve = FixedStepLightCurve(start, step, np.ones(count))
    assert curve.times.tolist() == [start + k * step for k in range(count)]
    assert curve.duration() == (count - 1) * step


def test_a_cadence_that_is_no_whole_second_neither_drifts_nor_shows_gaps() -> None:
    curve = steady(5000, step=25.3 * SECOND)
    assert curve.sampling_interval() == pytest.approx(25.3 * SECOND, rel=1e-9)
    assert curve.check_fixed_step() == 0


@pytest.mark.parametrize("cadence", [0.1, 0.4, 2.5])
def test_cadences_below_and_between_seconds_are_told(cadence: float) -> None:
    assert steady(100, step=cadence * SECOND).sampling_interval() == pytest.approx(cadence * SECOND, rel=1e-9)


@pytest.mark.parametrize(("jitter", "regular"), [(4.0, True), (20.0, False)])
def test_jitter_within_the_tolerance_is_no_gap(jitter: float, regular: bool) -> None:
    wobble = np.random.default_rng(3).uniform(-jitter, jitter, 40) * SECOND
    curve = LightCurve(np.arange(40) * 0.25 + wobble, np.ones(40))
    assert (curve.check_fixed_step() == 0) is regular


def test_the_samples_missing_in_a_gap_are_counted() -> None:
    times = np.delete(np.arange(100) * 0.25, slice(40, 48))
    curve = LightCurve(times, np.ones(len(times)))
    assert curve.check_fixed_step() == 8
    assert curve.missing_grid_points().tolist() == list(range(40, 48))


@pytest.mark.parametrize(("step", "missing"), [(0.5, []), (0.125, [1, 3, 5])])
def test_the_grid_may_have_another_step_than_the_samples(step: float, missing: list[int]) -> None:
    assert steady(4, step=0.25).missing_grid_points(step=step).tolist() == missing


def test_rounding_does_not_put_a_sample_beyond_the_tolerance() -> None:
    times = [100, 101 + 1e-4, 102 - 1e-4, 103]
    assert abs(times[1] - 101) > 1e-4
    assert LightCurve(times, np.ones(4)).missing_grid_points(1e-4, step=1.0).tolist() == []
    assert LightCurve([0, 1 + 1.001e-4, 2], np.ones(3)).missing_grid_points(1e-4, step=1.0).tolist() == [1]


def test_a_grid_needs_two_samples_even_where_its_step_is_known() -> None:
    with pytest.raises(LightCurveError, match="2 are needed"):
        steady(1).missing_grid_points(step=0.25)


def test_the_interval_is_exact_far_from_zero_and_beyond_a_long_gap() -> None:
    # Given julian dates with a gap of a hundred days, and 20 samples before it
    places = np.concatenate((np.arange(20), 345_600 + np.arange(30_000)))
    times = 2_457_000.0 + places * 25 * SECOND
    # Then the interval is that of a straight line through the very numbers
    exact = [Fraction(time) for time in times.tolist()]
    mean_place, mean_time = Fraction(int(places.sum()), len(places)), sum(exact) / len(exact)
    offsets = [place - mean_place for place in places.tolist()]
    moment = sum(offset * (time - mean_time) for offset, time in zip(offsets, exact, strict=True))
    line = float(moment / sum(offset * offset for offset in offsets))
    assert LightCurve(times, times).sampling_interval() == pytest.approx(line, rel=1e-13)


def test_to_fixed_step_flags_a_gap_and_keeps_everything_else() -> None:
    # Given a curve with a gap of two samples, a flag, uncertainties and metadata
    keep = [0, 1, 2, 5, 6, 7]
    curve = LightCurve(
        np.array(keep) * 0.5 + 3,
        np.array(keep) + 10.0,
        uncertainties=np.array(keep) * 0.1,
        flags=[0, 1, 0, 0, 0, 0],
        time_system="BTJD",
        metadata={"mes": 7},
    )
    # When it moves to a fixed raster
    fixed = curve.to_fixed_step()
    # Then the gap is flagged, not filled
    assert fixed.times.tolist() == [3 + 0.5 * k for k in range(8)]
    assert np.flatnonzero(np.isnan(fixed.fluxes)).tolist() == [3, 4]
    assert np.flatnonzero(fixed.flags).tolist() == [1, 3, 4]
    assert fixed.fluxes[keep].tolist() == curve.fluxes.tolist()
    assert fixed.uncertainties[keep].tolist() == curve.uncertainties.tolist()
    assert (fixed.time_system, fixed.metadata) == ("BTJD", {"mes": 7})


def test_to_fixed_step_takes_the_nearest_of_two_samples() -> None:
    times = [0, 0.99995, 1.00001, 2, 3, 4, 5]
    fixed = LightCurve(times, [0, 10, 11, 2, 3, 4, 5]).to_fixed_step()
    assert fixed.fluxes.tolist() == [0, 11, 2, 3, 4, 5]


def test_a_long_gap_does_not_upset_anything() -> None:
    times = np.concatenate((np.arange(50) * 0.1, 500 + np.arange(50) * 0.1))
    fixed = LightCurve(times, np.ones(100)).to_fixed_step()
    assert len(fixed) == 5050
    assert (~fixed.flags).sum() == 100


def test_an_absurd_grid_is_refused_before_it_eats_the_memory() -> None:
    with pytest.raises(LightCurveError, match="too many points"):
        LightCurve([0, 1e-9, 2e-9, 1e9], np.ones(4)).check_fixed_step()


@pytest.mark.parametrize("times", [[], [1.0]])
def test_a_sampling_interval_needs_two_samples(times: list[float]) -> None:
    with pytest.raises(LightCurveError, match="at least 2 samples"):
        LightCurve(times, np.ones(len(times))).sampling_interval()


def test_times_that_run_backward_have_no_sampling_interval() -> None:
    with pytest.raises(LightCurveError, match="do not increase"):
        LightCurve([3, 2, 1], np.ones(3)).sampling_interval()


@pytest.mark.parametrize("fixed", [False, True])
def test_truncation_is_half_open_and_takes_flags_along(fixed: bool) -> None:
    flags = np.arange(8) % 3 == 0
    arbitrary = LightCurve(np.arange(8) * 0.5, np.arange(8.0), flags=flags, uncertainties=np.arange(8.0))
    curve: LightCurve = arbitrary.to_fixed_step() if fixed else arbitrary
    part = curve.truncate(1.0, 3.0)
    assert type(part) is type(curve)
    assert part.times.tolist() == [1.0, 1.5, 2.0, 2.5]
    assert part.fluxes.tolist() == part.uncertainties.tolist() == [2, 3, 4, 5]
    assert part.flags.tolist() == flags[2:6].tolist()


def test_truncation_keeps_negative_times_and_may_leave_nothing() -> None:
    curve = steady(10, start=-1)
    assert len(curve.truncate(maximum_time=0)) == 4
    assert len(curve.truncate(100, 200)) == 0


# --- Normalising and arithmetic


def test_normalised_divides_by_the_median_of_the_good_samples() -> None:
    curve = LightCurve([0, 1, 2, 3], [4, 4, 4, 1000], uncertainties=[1, 1, 1, 1], flags=[0, 0, 0, 1]).normalised()
    assert curve.fluxes.tolist() == [1, 1, 1, 250]
    assert curve.uncertainties.tolist() == [0.25] * 4


@pytest.mark.parametrize(("fluxes", "message"), [([np.nan, np.nan], "no sample"), ([-1.0, -2.0], "positive")])
def test_normalised_refuses_what_has_no_positive_median(fluxes: list[float], message: str) -> None:
    with pytest.raises(LightCurveError, match=message):
        LightCurve([0, 1], fluxes).normalised()


def test_a_product_propagates_relative_uncertainties() -> None:
    left = LightCurve([0, 1, 2], [10, 10, 10], uncertainties=[0.3, 0.3, 0.3])
    right = LightCurve([0, 1, 2], [2, 2, 2], uncertainties=[0.04, 0.04, 0.04])
    product = left * right
    assert product.fluxes.tolist() == [20, 20, 20]
    relative = np.hypot(0.3 / 10, 0.04 / 2)
    assert product.uncertainties == pytest.approx(np.full(3, 20 * relative))


def test_sums_and_differences_add_uncertainties_in_quadrature() -> None:
    left = LightCurve([0, 1, 2], [10, 10, 10], uncertainties=[3, 3, 3])
    right = LightCurve([0, 1, 2], [1, 2, 3], uncertainties=[4, 4, 4])
    assert (left + right).fluxes.tolist() == [11, 12, 13]
    assert (left - right).fluxes.tolist() == [9, 8, 7]
    assert (left + right).uncertainties.tolist() == (left - right).uncertainties.tolist() == [5, 5, 5]


def test_a_sample_bad_in_either_operand_is_bad_in_the_product() -> None:
    left = LightCurve([0, 1, 2, 3], [1, 1, np.nan, 1], flags=[1, 0, 0, 0])
    right = LightCurve([0, 1, 2, 3], [1, 1, 1, 1], flags=[0, 1, 0, 0])
    assert (left * right).flags.tolist() == [True, True, True, False]


def test_the_right_operand_is_resampled_onto_the_raster_of_the_left_one() -> None:
    left = FixedStepLightCurve(0.5, 1.0, np.full(10, 2.0))
    right = LightCurve(np.arange(0, 11, 0.1), np.full(110, 3.0))
    product = left * right
    assert isinstance(product, FixedStepLightCurve)
    assert product.times.tolist() == left.times.tolist()
    assert product.fluxes == pytest.approx(np.full(10, 6.0))


@pytest.mark.parametrize(("left", "right", "winner"), [(5, 6, "right"), (6, 5, "left"), (None, None, "left")])
def test_the_sum_has_the_metadata_of_the_larger_mes(left: int | None, right: int | None, winner: str) -> None:
    def curve(name: str, mes: int | None) -> LightCurve:
        return steady().with_metadata({"name": name} if mes is None else {"name": name, "mes": mes})

    assert (curve("left", left) + curve("right", right)).metadata["name"] == winner


def test_differences_and_products_overlay_the_metadata_of_the_right_operand() -> None:
    left, right = steady().with_metadata({"a": 1, "b": 1}), steady().with_metadata({"b": 2})
    assert (left * right).metadata == (left - right).metadata == {"a": 1, "b": 2}
    assert left.metadata == {"a": 1, "b": 1}


def test_curves_that_do_not_overlap_cannot_be_combined() -> None:
    with pytest.raises(LightCurveError, match="do not overlap"):
        steady() * steady(start=1000)


def test_curves_in_different_time_systems_cannot_be_combined() -> None:
    kepler, tess = (LightCurve([0, 1, 2], [1, 1, 1], time_system=name) for name in ("BKJD", "BTJD"))
    with pytest.raises(LightCurveError, match="BKJD and BTJD"):
        kepler * tess


def test_a_relative_curve_takes_the_time_system_of_the_other_operand() -> None:
    tess = LightCurve([0, 1, 2], [1, 1, 1], time_system="BTJD")
    relative = LightCurve([0, 1, 2], [1, 1, 1])
    assert (tess * relative).time_system == (relative * tess).time_system == "BTJD"
