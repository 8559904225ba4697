"""Flux-conserving resampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eas.lightcurve import FixedStepLightCurve, LightCurve, LightCurveError, resample
from eas.lightcurve.arrays import FloatArray

fluxes_of = st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=60)


def pixel_widths(times: FloatArray) -> FloatArray:
    edges = (times[1:] + times[:-1]) / 2
    first, last = times[0] - (times[1] - times[0]) / 2, times[-1] + (times[-1] - times[-2]) / 2
    return np.diff(np.concatenate(([first], edges, [last])))


@given(fluxes=fluxes_of, step=st.floats(0.01, 3))
@settings(deadline=None)
def test_the_integral_over_time_is_conserved(fluxes: list[float], step: float) -> None:
    # Given an input raster of step 1, and an output raster that covers all of it
    curve = LightCurve(np.arange(len(fluxes)), fluxes)
    raster = np.arange(-2.0 - step, len(fluxes) + 2.0 + step, step)
    # When resampled (a partly covered output pixel is the mean over the part that is covered)
    result = resample(curve, raster)
    left, right = raster - step / 2, raster + step / 2
    covered = np.clip(np.minimum(right, len(fluxes) - 0.5) - np.maximum(left, -0.5), 0, None)
    # Then nothing is lost or made up
    assert np.nansum(result.fluxes * covered) == pytest.approx(sum(fluxes), rel=1e-6, abs=1e-6)


@given(fluxes=fluxes_of, gaps=st.data())
@settings(deadline=None)
def test_the_integral_is_conserved_on_irregular_rasters(fluxes: list[float], gaps: st.DataObject) -> None:
    spacing = gaps.draw(st.lists(st.floats(0.1, 5), min_size=len(fluxes) - 1, max_size=len(fluxes) - 1))
    times = np.concatenate(([0.0], np.cumsum(spacing)))
    curve = LightCurve(times, fluxes)
    # The output pixels share the outer edges of the input.
    start, stop = times[0] - spacing[0] / 2, times[-1] + spacing[-1] / 2
    width = (stop - start) / 7
    raster = start + (np.arange(7) + 0.5) * width
    result = resample(curve, raster, gap_tolerance=np.inf)
    assert result.fluxes.sum() * width == pytest.approx(curve.fluxes @ pixel_widths(times), rel=1e-6, abs=1e-5)


@given(fluxes=fluxes_of)
@settings(deadline=None)
def test_the_same_raster_gives_the_same_curve(fluxes: list[float]) -> None:
    curve = LightCurve(np.arange(len(fluxes)) * 0.5, fluxes, uncertainties=np.arange(len(fluxes)) + 1.0)
    result = resample(curve, curve)
    assert result.fluxes == pytest.approx(curve.fluxes)
    assert result.uncertainties == pytest.approx(curve.uncertainties)
    assert not result.flags.any()


def test_output_pixels_beyond_the_input_are_nan_and_flagged() -> None:
    curve = LightCurve(np.arange(10.0), np.full(10, 5.0))
    result = resample(curve, np.arange(-3.0, 13.0))
    outside = (result.times < 0) | (result.times > 9)
    assert np.isnan(result.fluxes[outside]).all()
    assert result.flags.tolist() == outside.tolist()
    assert (result.fluxes[~outside] == 5).all()


def test_a_partly_covered_pixel_is_not_dimmed() -> None:
    curve = LightCurve(np.arange(10.0), np.full(10, 5.0))
    result = resample(curve, np.array([0.0, 4.0, 8.25]))  # the last pixel ends at 10.375, the input at 9.5
    assert result.fluxes[-1] == 5
    assert not result.flags[-1]


def test_gaps_are_not_bridged() -> None:
    times = np.concatenate((np.arange(10.0), np.arange(20.0, 30.0)))
    result = resample(LightCurve(times, np.ones(20)), np.arange(30.0))
    assert np.flatnonzero(result.flags).tolist() == list(range(10, 20))
    assert np.isnan(result.fluxes[10:20]).all()


def test_a_raster_with_a_gap_averages_only_over_its_own_cadence() -> None:
    # Given a transit in the middle of a gap of the output raster
    curve = FixedStepLightCurve(0, 0.1, np.where(abs(np.arange(300) - 150) < 30, 0.5, 1.0))
    raster = np.concatenate((np.arange(10.0), np.arange(20.0, 30.0)))
    # Then the samples next to the gap do not see it
    assert resample(curve, raster).fluxes == pytest.approx(np.ones(20))


def test_flagged_samples_do_not_count_and_flag_what_they_dominate() -> None:
    # Given bins of four samples: one bad of four, three bad of four, all bad
    flags = [1, 0, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1]
    fluxes = np.where(flags, 100.0, 1.0)
    curve = LightCurve(np.arange(12.0), fluxes, flags=flags)
    result = resample(curve, np.array([1.5, 5.5, 9.5]))
    assert result.flags.tolist() == [False, True, True]
    assert result.fluxes.tolist() == [1, 1, 100]


def test_nan_does_not_spread() -> None:
    fluxes = np.ones(12)
    fluxes[1] = np.nan
    result = resample(LightCurve(np.arange(12.0), fluxes), np.array([1.5, 5.5, 9.5]))
    assert result.fluxes.tolist() == [1, 1, 1]


def test_averaging_reduces_the_uncertainty_by_the_root_of_the_number() -> None:
    curve = LightCurve(np.arange(100.0), np.ones(100), uncertainties=np.full(100, 0.3))
    result = resample(curve, np.arange(12.0, 88.0, 25.0))
    assert result.uncertainties == pytest.approx(np.full(len(result), 0.3 / 5))


def test_the_stated_uncertainty_is_the_true_scatter() -> None:
    noise = np.random.default_rng(5).normal(1, 0.01, 100_000)
    curve = FixedStepLightCurve(0, 1.0, noise, uncertainties=np.full(100_000, 0.01))
    result = resample(curve, FixedStepLightCurve(3.7, 7.3, np.zeros(13_000)))
    assert result.fluxes.std() == pytest.approx(result.uncertainties.mean(), rel=0.05)


def test_the_result_keeps_raster_class_time_system_and_metadata() -> None:
    curve = LightCurve(np.arange(10.0), np.ones(10), time_system="BTJD", metadata={"mes": 3})
    result = resample(curve, FixedStepLightCurve(1, 2, np.zeros(4)))
    assert isinstance(result, FixedStepLightCurve)
    assert (result.time_system, result.metadata) == ("BTJD", {"mes": 3})


@pytest.mark.parametrize(
    ("times", "raster", "message"),
    [
        ([0.0], [0.0, 1.0], "the light curve has 1"),
        ([0.0, 1.0], [0.0], "the output raster has 1"),
        ([0.0, 1.0, 1.0], [0.0, 1.0], "sample 2 is at 1.0 d, after 1.0 d"),
        ([0.0, 1.0], [1.0, 0.0], "output raster must strictly increase"),
    ],
)
def test_unusable_rasters_are_refused(times: list[float], raster: list[float], message: str) -> None:
    with pytest.raises(LightCurveError, match=message):
        resample(LightCurve(times, np.ones(len(times))), raster)
