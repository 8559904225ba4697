"""Units of time and flux in headers of text, time systems by name and by magnitude, and the order of samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eas.lightcurve import FixedStepLightCurve, LightCurve, LightCurveError, read_light_curve
from eas.lightcurve.ordering import order_samples
from eas.lightcurve.reading_options import ReadingOptions
from tests.support.planets import make_planet, make_rows

TIMES, FLUXES = make_planet()
ERRORS = np.full(len(TIMES), 2e-4)


def read(tmp_path: Path, content: str, options: ReadingOptions | None = None) -> LightCurve:
    (tmp_path / "star.csv").write_text(content)
    return read_light_curve(tmp_path / "star.csv", options=options)


@pytest.mark.parametrize(
    ("header", "per_day"),
    [
        *(("time [s],flux,flux_err\n", 86400), ("time(sec),flux,flux_err\n", 86400), ("time_s,flux,flux_err\n", 86400)),
        *(("time / h,flux,flux_err\n", 24), ("hours,flux,flux_err\n", 24), ("t [min],flux,flux_err\n", 1440)),
        *(("time,flux,flux_err\ns,e-/s,e-/s\n", 86400), ("# time,flux,flux_err\n# s, e-/s, e-/s\n", 86400)),
        *(("# time unit: seconds\ntime,flux,flux_err\n", 86400), ("# #time_unit=h\ntime,flux,flux_err\n", 24)),
        ("# %ECSV 1.0\n# ---\n# - {name: time, unit: s, datatype: float64}\ntime,flux,flux_err\n", 86400),
        *(("time [days],flux,flux_err\n", 1), ("time,flux,flux_err\n", 1)),
    ],
)
def test_times_have_the_unit_that_the_header_states(tmp_path: Path, header: str, per_day: float) -> None:
    curve = read(tmp_path, header + make_rows((TIMES - 1400) * per_day, FLUXES, ERRORS))
    np.testing.assert_allclose(curve.times, TIMES - 1400, atol=1e-6)


@pytest.mark.parametrize("content", ["time,flux\n", ""])
def test_seconds_without_a_unit_are_refused(tmp_path: Path, content: str) -> None:
    content += make_rows((TIMES - 1400) * 86400, FLUXES)
    with pytest.raises(LightCurveError, match=r"typically 3600 apart and no unit is stated.* time_unit"):
        read(tmp_path, content)
    assert read(tmp_path, content, ReadingOptions(time_unit="s")).duration() == pytest.approx(239 / 24)


@pytest.mark.parametrize(
    ("unit", "parts", "offset"),
    [("ppm", 1e6, 1), ("ppt", 1e3, 1), ("%", 1e2, 1), ("percent", 1e2, 1), ("ppm", 1e6, 0), ("%", 1e2, 0)],
)
def test_parts_of_one_become_fluxes_around_one(tmp_path: Path, unit: str, parts: float, offset: float) -> None:
    rows = make_rows(TIMES, (FLUXES - offset) * parts, ERRORS * parts)
    curve = read(tmp_path, f"time,flux [{unit}],flux_err [{unit}]\n{rows}")
    np.testing.assert_allclose(curve.fluxes, FLUXES, atol=1e-8)
    assert curve.uncertainties[0] == pytest.approx(2e-4)
    assert "flux_unit" not in curve.metadata


@pytest.mark.parametrize("unit", ["ppm", "fraction"])
def test_the_unit_of_flux_can_be_told(tmp_path: Path, unit: str) -> None:
    parts = 1e6 if unit == "ppm" else 1
    content = "time,flux\n" + make_rows(TIMES, (FLUXES - 1) * parts, form="%.9f")
    curve = read(tmp_path, content, ReadingOptions(flux_unit=unit))  # type: ignore[arg-type]
    np.testing.assert_allclose(curve.fluxes, FLUXES, atol=1e-8)
    assert read(tmp_path, content, ReadingOptions(flux_unit="flux")).fluxes[0] == pytest.approx(
        (FLUXES[0] - 1) * parts, abs=1e-9
    )


@pytest.mark.parametrize(
    ("label", "start", "system"),
    [
        *(("HJD", 2458400, "HJD"), ("MJD", 58400, "MJD"), ("time_bjd", 2458400, "BJD"), ("BJDTDB", 2458400, "BJD_TDB")),
        *(("TIME_BTJD", 1400, "BTJD"), ("TBJD", 1400, "BTJD"), ("time (BKJD)", 1400, "BKJD")),
        *(("BJD_TDB", 2458400, "BJD_TDB"), ("time [BJD TDB]", 2458400, "BJD_TDB"), ("BJD(TDB)", 2458400, "BJD_TDB")),
        *(("HJD-2450000", 8400, "HJD - 2450000"), ("HJD (2450000+)", 8400, "HJD - 2450000")),
        *(("BJD - 2454833", 1400, "BKJD"), ("BJD-2457000.0", 1400, "BTJD"), ("Time - 2457000", 1400, "BTJD")),
        *(("JD-2400000", 58400, "JD - 2400000"), ("BMJD_TDB", 58400, "BJD - 2400000.5"), ("JD", 2458400, "JD")),
        *(("time", 2458400, "JD"), ("time", 1400, "unknown"), ("date", 58400, "unknown")),
        *(("BJD", 1400, "unknown"), ("HJD", 8400, "unknown"), ("JD", 1400, "unknown"), ("MJD", 1400, "unknown")),
        *(("BTJD", 2458400, "BJD_TDB"), ("MJD", 2458400, "JD"), ("HJD-2450000", 2458400, "HJD")),
    ],
)
def test_the_time_system_by_name_where_the_times_fit_it(tmp_path: Path, label: str, start: float, system: str) -> None:
    curve = read(tmp_path, f"{label},flux\n" + make_rows(TIMES - 1400 + start, FLUXES))
    assert curve.time_system == system
    assert curve.times[0] == start


def test_several_columns_of_time_are_refused_unless_one_comes_first(tmp_path: Path) -> None:
    rows = make_rows(TIMES + 2457000, TIMES, FLUXES)
    assert read(tmp_path, f"hjd,bjd_tdb,flux\n{rows}").times[0] == 1400
    with pytest.raises(LightCurveError, match="several columns of time: MJD_start, MJD_end; the setting time_column"):
        read(tmp_path, f"MJD_start,MJD_end,flux\n{rows}")
    assert read(tmp_path, f"MJD_start,MJD_end,flux\n{rows}", ReadingOptions(time_column="mjd_end")).times[0] == 1400


# --- The order of samples


def test_samples_are_sorted_by_time(caplog: pytest.LogCaptureFixture) -> None:
    shuffled = np.random.default_rng(1).permutation(len(TIMES))
    curve = LightCurve(
        TIMES[shuffled],
        FLUXES[shuffled],
        uncertainties=shuffled * 1.0,
        flags=shuffled == 7,
        time_system="BTJD",
        metadata={"a": 1},
    )
    ordered = order_samples(curve, name="star.csv")
    assert ordered.times.tolist() == TIMES.tolist()
    assert ordered.fluxes.tolist() == FLUXES.tolist()
    assert ordered.uncertainties.tolist() == list(range(len(TIMES)))
    assert np.flatnonzero(ordered.flags).tolist() == [7]
    assert (ordered.time_system, ordered.metadata) == ("BTJD", {"a": 1})
    assert "star.csv: the samples are not in the order of time" in caplog.text


def test_samples_that_repeat_others_in_all_respects_are_dropped() -> None:
    curve = LightCurve([0, 1, 1, 2, 0, 3], [1, 2, 2, np.nan, 1, 4])
    assert order_samples(curve).times.tolist() == [0, 1, 2, 3]


def test_different_samples_at_one_time_are_refused_or_the_first_good_one_is_kept() -> None:
    curve = LightCurve([0, 1, 1, 2], [1, 5, 6, 7], flags=[0, 1, 0, 0])
    with pytest.raises(LightCurveError, match=r"the first at 1 d .*repeated_times 'first'"):
        order_samples(curve)
    assert order_samples(curve, repeated_times="first").fluxes.tolist() == [1, 6, 7]


def test_ordered_curves_are_not_touched() -> None:
    free, fixed = LightCurve([0, 1, 2], [1, 1, 1]), FixedStepLightCurve(0, 1, [1, 1])
    assert order_samples(free) is free
    assert order_samples(fixed) is fixed
    single = LightCurve([1], [1])
    assert order_samples(single) is single
