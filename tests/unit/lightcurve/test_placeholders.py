"""Numbers that stand for a missing flux by habit are flagged, and numbers that are fluxes are not."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from eas.lightcurve import LightCurve, read_light_curve
from eas.lightcurve.reading_options import FluxUnit, ReadingOptions
from tests.support.planets import make_planet, make_rows

TIMES, FLUXES = make_planet()
PLACES = slice(3, None, 40)
COUNT = len(TIMES[PLACES])


def read_text(
    tmp_path: Path, fluxes: np.ndarray[tuple[int], np.dtype[np.float64]], unit: FluxUnit | None = None
) -> LightCurve:
    path = tmp_path / "star.csv"
    path.write_text("time,flux\n" + make_rows(TIMES, fluxes))
    return read_light_curve(path, options=ReadingOptions(flux_unit=unit))


@pytest.mark.parametrize("number", [-999.99, -99, 99.999, -9999, 99999.9, 1e30, -1e38])
def test_numbers_that_stand_for_missing_fluxes_are_flagged(
    number: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fluxes = FLUXES.copy()
    fluxes[PLACES] = number
    with caplog.at_level(logging.WARNING):
        curve = read_text(tmp_path, fluxes)
    assert curve.flags.sum() == COUNT
    assert curve.flags[PLACES].all()
    assert f"{COUNT} fluxes stand for missing values" in caplog.text


def test_several_such_numbers_in_magnitudes_are_flagged(tmp_path: Path) -> None:
    magnitudes = 12 - 2.5 * np.log10(FLUXES)
    magnitudes[PLACES] = 99.999
    magnitudes[7] = -99.0
    curve = read_text(tmp_path, magnitudes, "mag")
    assert curve.flags.sum() == COUNT + 1
    good = ~curve.flags
    np.testing.assert_allclose(curve.fluxes[good] / np.median(curve.fluxes[good]), FLUXES[good], rtol=1e-2)


def test_such_numbers_in_single_precision_of_fits_are_flagged(tmp_path: Path) -> None:
    fluxes = FLUXES.astype(">f4")
    fluxes[PLACES] = 99.999
    columns = [fits.Column("TIME", "D", array=TIMES), fits.Column("FLUX", "E", array=fluxes)]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "star.fits")
    assert read_light_curve(tmp_path / "star.fits").flags.sum() == COUNT


@pytest.mark.parametrize(
    "fluxes",
    [
        np.where(np.arange(240) % 40 == 3, 0.0, FLUXES),  # a total eclipse
        np.where(np.arange(240) % 40 == 3, 99.0, 100.0 + 0.1 * np.sin(np.arange(240))),
        np.where(np.arange(240) == 3, 9999.0, np.linspace(5000.0, 9999.0, 240)),
        np.full(240, 999.0),
        np.where(np.arange(240) == 3, 123.456, FLUXES),  # an outlier is not missing
    ],
    ids=["eclipse", "transit to 99", "brightness", "constant", "outlier"],
)
def test_fluxes_are_not_taken_for_missing(fluxes: np.ndarray[tuple[int], np.dtype[np.float64]], tmp_path: Path) -> None:
    assert not read_text(tmp_path, fluxes).flags.any()


def test_sparse_times_without_a_unit_are_taken_for_days_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        (tmp_path / "star.csv").write_text("time,flux\n" + make_rows(0.5 * np.arange(240), FLUXES))
        curve = read_light_curve(tmp_path / "star.csv")
    assert curve.duration() == pytest.approx(119.5)
    assert "no unit of time is stated" in caplog.text
    assert "time_unit" in caplog.text
