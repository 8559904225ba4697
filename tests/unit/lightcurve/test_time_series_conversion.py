"""To and from astropy's TimeSeries."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units
from astropy.table import MaskedColumn
from astropy.time import Time
from astropy.timeseries import TimeSeries

from eas.lightcurve import LightCurve, LightCurveError


@pytest.mark.parametrize(
    ("time_system", "start"),
    [("BTJD", 1325.3), ("BKJD", 120.5), ("BJD_TDB", 2458410.9), ("relative", 0.0), ("unknown", 5.0)],
)
def test_there_and_back_changes_nothing(time_system: str, start: float) -> None:
    curve = LightCurve(
        start + np.arange(50) * 25.3 / 86400,
        np.arange(50) / 7,
        uncertainties=np.full(50, 0.1),
        flags=np.arange(50) % 5 == 0,
        time_system=time_system,
        metadata={"mes": 7.5},
    )
    back = LightCurve.from_time_series(curve.to_time_series())
    assert back.times.tolist() == curve.times.tolist()
    assert back.fluxes.tolist() == curve.fluxes.tolist()
    assert back.uncertainties.tolist() == curve.uncertainties.tolist()
    assert back.flags.tolist() == curve.flags.tolist()
    assert (back.time_system, back.metadata) == (time_system, {"mes": 7.5})


def test_astropy_sees_true_julian_dates() -> None:
    series = LightCurve([1325.25], [1], time_system="BTJD").to_time_series()
    assert series.time.scale == "tdb"
    assert series.time.jd.tolist() == [2458325.25]


def test_units_and_masks_of_a_foreign_series_are_understood() -> None:
    series = TimeSeries(time=Time([2458325.25, 2458326.25], format="jd", scale="tdb"))
    series["pdcsap_flux"] = np.array([10.0, 20.0]) * units.electron / units.s
    series["sap_flux"] = MaskedColumn([1.0, 2.0], mask=[False, True])
    curve = LightCurve.from_time_series(series, flux_column="pdcsap_flux")
    assert curve.fluxes.tolist() == [10, 20]
    assert (curve.times.tolist(), curve.time_system) == ([2458325.25, 2458326.25], "BJD_TDB")
    masked = LightCurve.from_time_series(series, flux_column="sap_flux")
    assert masked.flags.tolist() == [False, True]


def test_a_missing_column_is_named() -> None:
    series = TimeSeries(time=Time([2458325.25], format="jd"))
    with pytest.raises(LightCurveError, match="no column 'flux'; it has time"):
        LightCurve.from_time_series(series)
