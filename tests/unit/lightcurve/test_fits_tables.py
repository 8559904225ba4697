"""FITS of every public kind: which HDU, which columns, nulls and scales, flags, and what times count from."""

from __future__ import annotations

import bz2
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from eas.lightcurve import LightCurve, LightCurveError, read_light_curve
from eas.lightcurve.fits_format import write_fits
from eas.lightcurve.reading_options import ReadingOptions
from tests.support.planets import make_planet, write_fits_table

TIMES, FLUXES = make_planet()
COUNT = len(TIMES)
ZEROS = np.zeros(COUNT, np.int32)
SINGLE = FLUXES.astype(np.float32)
ERRORS = np.full(COUNT, 2e-4, np.float32)
TESS = {"TELESCOP": "TESS"}
K2 = {"TELESCOP": "Kepler", "MISSION": "K2"}
BTJD = {"BJDREFI": 2457000, "BJDREFF": 0.0}
BKJD = {"BJDREFI": 2454833, "BJDREFF": 0.0}


def marked(*places: int, value: int = 1) -> Any:
    bits = np.zeros(COUNT, np.int32)
    bits[list(places)] = value
    return bits


def check(curve: LightCurve, *, flagged: list[int] | None = None, system: str = "BTJD", start: float = 1400) -> None:
    np.testing.assert_allclose(curve.times, TIMES - 1400 + start, atol=1e-8)
    assert np.flatnonzero(~curve.good_samples()).tolist() == (flagged or [])
    good = curve.good_samples()
    np.testing.assert_allclose(
        (curve.fluxes / np.median(curve.fluxes[good]))[good], (FLUXES / np.median(FLUXES))[good], atol=1e-5
    )
    assert curve.time_system == system


# --- Nulls and scales


def test_integers_that_are_null_are_no_fluxes(tmp_path: Path) -> None:
    raw = np.round(FLUXES * 1e6).astype(np.int32)
    raw[100:110] = -99999
    path = write_fits_table(
        tmp_path / "a.fits",
        {"TIME": TIMES, "PDCSAP_FLUX": raw, "QUALITY": ZEROS},
        primary=TESS,
        header=BTJD,
        nulls={"PDCSAP_FLUX": -99999},
    )
    check(read_light_curve(path), flagged=list(range(100, 110)))


@pytest.mark.parametrize("null", [-32768, None])
def test_scaled_integers(tmp_path: Path, null: int | None) -> None:
    scaled = np.round((FLUXES - 1) / 1e-5).astype(np.int16)
    if null is not None:
        scaled[100:110] = null
    path = write_fits_table(
        tmp_path / "a.fits", {"TIME": TIMES, "PDCSAP_FLUX": scaled, "QUALITY": ZEROS}, primary=TESS, header=BTJD
    )
    with fits.open(path, mode="update") as hdus:
        hdus[1].header.update({"TSCAL2": 1e-5, "TZERO2": 1.0})
        if null is not None:
            hdus[1].header["TNULL2"] = null
    curve = read_light_curve(path)
    assert np.flatnonzero(~curve.good_samples()).tolist() == ([] if null is None else list(range(100, 110)))
    good = curve.good_samples()
    np.testing.assert_allclose(curve.fluxes[good], FLUXES[good], atol=1e-5)


def test_a_time_that_is_null_drops_its_row(tmp_path: Path) -> None:
    seconds = np.round((TIMES - 1400) * 86400).astype(np.int32)
    seconds[3] = -1
    path = write_fits_table(
        tmp_path / "a.fits", {"TIME": seconds, "FLUX": SINGLE}, units={"TIME": "s"}, nulls={"TIME": -1}
    )
    curve = read_light_curve(path)
    np.testing.assert_allclose(curve.times, np.delete(TIMES, 3) - 1400, atol=1e-5)


def test_unsigned_integers_and_flags_that_are_null(tmp_path: Path) -> None:
    table = Table({"TIME": TIMES, "FLUX": np.round(FLUXES * 1e4).astype(np.uint16), "QUALITY": ZEROS.astype(np.uint32)})
    table.write(tmp_path / "a.fits")
    curve = read_light_curve(tmp_path / "a.fits")
    np.testing.assert_allclose(curve.fluxes, np.round(FLUXES * 1e4))
    bits = marked(5, value=-1)
    path = write_fits_table(
        tmp_path / "b.fits", {"TIME": TIMES, "FLUX": SINGLE, "QUALITY": bits}, nulls={"QUALITY": -1}
    )
    assert np.flatnonzero(read_light_curve(path).flags).tolist() == [5]


# --- Times


@pytest.mark.parametrize(
    ("unit", "per_day"), [("s", 86400), ("d", 1), ("h", 24), ("hr", 24), ("min", 1440), ("seconds", 86400), ("day", 1)]
)
def test_times_have_the_unit_that_the_column_states(tmp_path: Path, unit: str, per_day: float) -> None:
    path = write_fits_table(
        tmp_path / "a.fits",
        {"TIME": (TIMES - 1400) * per_day, "PDCSAP_FLUX": SINGLE, "QUALITY": ZEROS},
        primary={"TELESCOP": "PLATO"},
        header=BTJD,
        units={"TIME": unit},
    )
    check(read_light_curve(path), start=0)


def test_timeunit_counts_where_the_column_states_none(tmp_path: Path) -> None:
    columns = {"TIME": (TIMES - 1400) * 86400, "FLUX": SINGLE}
    check(read_light_curve(write_fits_table(tmp_path / "a.fits", columns, header={"TIMEUNIT": "s", **BTJD})), start=0)
    days = {"TIME": TIMES, "FLUX": SINGLE}
    path = write_fits_table(
        tmp_path / "b.fits", days, header={"TIMEUNIT": "s", **BTJD}, units={"TIME": "BJD - 2457000, days"}
    )
    check(read_light_curve(path))


def test_an_unknown_unit_of_time_is_refused(tmp_path: Path) -> None:
    path = write_fits_table(tmp_path / "a.fits", {"TIME": TIMES, "FLUX": SINGLE}, units={"TIME": "orbits"})
    with pytest.raises(LightCurveError, match=r"column TIME has the unit 'orbits'.* setting time_unit decides"):
        read_light_curve(path)
    assert read_light_curve(path, options=ReadingOptions(time_unit="d")).times[0] == 1400


def test_seconds_without_a_unit_are_refused(tmp_path: Path) -> None:
    path = write_fits_table(tmp_path / "a.fits", {"TIME": (TIMES - 1400) * 86400, "FLUX": SINGLE})
    with pytest.raises(LightCurveError, match=r"typically 3600 apart and no unit is stated.* time_unit"):
        read_light_curve(path)
    assert read_light_curve(path, options=ReadingOptions(time_unit="s")).times[-1] == pytest.approx(TIMES[-1] - 1400)


ZERO_POINTS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "none": (TESS, {}, "unknown"),
    "primary": ({**TESS, **BTJD}, {}, "BTJD"),
    "jdref": (TESS, {"JDREFI": 2457000, "JDREFF": 0.0, "TIMESYS": "TDB"}, "BTJD"),
    "jdref as a whole": (TESS, {"JDREF": 2457000.0}, "BTJD"),
    "jdref of nobody": ({}, {"JDREFI": 2457000, "TIMESYS": "UTC"}, "JD - 2457000"),
    "mjdref": ({}, {"MJDREFI": 56999, "MJDREFF": 0.5, "TIMESYS": "TDB"}, "BTJD"),
    "hjdref": ({}, {"HJDREF": 2457000.0}, "HJD - 2457000"),
    "another": ({}, {"BJDREFI": 2457500}, "BJD - 2457500"),
    "zero": (TESS, {"BJDREFI": 0}, "unknown"),
    "tglc": (TESS, {"BJDREFI": 2457000, "BJDREFR": 0.0}, "BTJD"),
    "table wins": ({**TESS, "BJDREFI": 0}, BTJD, "BTJD"),
}


@pytest.mark.parametrize("name", ZERO_POINTS)
def test_times_count_from_what_a_header_says(tmp_path: Path, name: str) -> None:
    primary, header, system = ZERO_POINTS[name]
    path = write_fits_table(
        tmp_path / "a.fits", {"TIME": TIMES, "PDCSAP_FLUX": SINGLE, "QUALITY": ZEROS}, primary=primary, header=header
    )
    check(read_light_curve(path), system=system)


def test_full_julian_dates_beside_a_zero_point_are_full(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_fits_table(tmp_path / "a.fits", {"TIME": TIMES + 2457000, "FLUX": SINGLE}, primary=TESS, header=BTJD)
    check(read_light_curve(path), system="BJD_TDB", start=2458400)
    assert "are not BTJD, which the file states, but BJD_TDB; the setting time_system decides" in caplog.text


def test_a_column_and_a_header_that_differ_are_refused(tmp_path: Path) -> None:
    path = write_fits_table(tmp_path / "a.fits", {"BKJD": TIMES, "FLUX": SINGLE}, header=BTJD)
    with pytest.raises(
        LightCurveError, match="BKJD says BKJD, but the file says BTJD; the setting time_system decides"
    ):
        read_light_curve(path)
    check(read_light_curve(path, time_system="bkjd"), system="BKJD")


def test_timezero_is_added(tmp_path: Path) -> None:
    path = write_fits_table(
        tmp_path / "a.fits", {"TIME": TIMES - 1400, "FLUX": SINGLE}, header={**BTJD, "TIMEZERO": 1400.0}
    )
    check(read_light_curve(path))


@pytest.mark.parametrize("system", ["BTJD", "BKJD", "BJD_TDB", "MJD", "unknown", "relative", "BJD - 2450000"])
def test_what_is_written_as_fits_reads_back(tmp_path: Path, system: str) -> None:
    start = {"BJD_TDB": 2458400.0, "MJD": 58400.0, "BJD - 2450000": 8400.0}.get(system, 1400.0)
    curve = LightCurve(TIMES - 1400 + start, FLUXES, flags=marked(7), time_system=system)
    write_fits(curve, tmp_path / "a.fits")
    back = read_light_curve(tmp_path / "a.fits")
    assert back.flags.tolist() == curve.flags.tolist()
    assert back.time_system == {"relative": "unknown", "MJD": "BJD - 2400000.5"}.get(system, system)


# --- Which table, which columns


def test_k2sff(tmp_path: Path) -> None:
    more = tuple(
        fits.BinTableHDU.from_columns(
            [fits.Column("T", "D", array=TIMES[:9]), fits.Column("FCOR", "D", array=FLUXES[:9])],
            name=f"CIRC_APER{place}",
        )
        for place in range(2)
    )
    columns = {
        "T": TIMES,
        "FRAW": FLUXES * 2,
        "FCOR": FLUXES,
        "ARCLENGTH": FLUXES,
        "MOVING": marked(9),
        "CADENCENO": ZEROS,
    }
    path = write_fits_table(tmp_path / "a.fits", columns, primary=K2, header=BKJD, name="BESTAPER", more=more)
    check(read_light_curve(path), flagged=[9], system="BKJD")
    assert len(read_light_curve(path, options=ReadingOptions(hdu="circ_aper1"))) == 9
    assert len(read_light_curve(path, options=ReadingOptions(hdu=2))) == 9
    with pytest.raises(LightCurveError, match="no table HDU 'CIRC_APER7'; there are PRIMARY, BESTAPER, CIRC_APER0"):
        read_light_curve(path, options=ReadingOptions(hdu="CIRC_APER7"))


def test_everest(tmp_path: Path) -> None:
    columns = {
        "CADN": ZEROS,
        "FCOR": FLUXES,
        "FLUX": FLUXES * 3,
        "FRAW": FLUXES * 4,
        "FRAW_ERR": ERRORS,
        "QUALITY": marked(5, value=128),
        "TIME": TIMES,
    }
    path = write_fits_table(tmp_path / "a.fits", columns, primary=K2, header=BKJD, name="ARRAYS")
    check(read_light_curve(path), system="BKJD")


def test_lightkurves_own_export(tmp_path: Path) -> None:
    bare = {"TIME": TIMES, "FLUX": SINGLE, "FLUX_ERR": ERRORS}
    check(read_light_curve(write_fits_table(tmp_path / "a.fits", bare, primary=TESS, header=BTJD)))
    custom = {**bare, "SAP_QUALITY": marked(5)}
    check(read_light_curve(write_fits_table(tmp_path / "b.fits", custom, primary=TESS, header=BTJD)), flagged=[5])


def test_tglc(tmp_path: Path) -> None:
    columns = {
        "time": TIMES,
        "psf_flux": 500 * SINGLE,
        "aperture_flux": 400 * SINGLE,
        "cal_psf_flux": SINGLE,
        "cal_aper_flux": SINGLE * 9,
        "background": SINGLE,
        "cadence_num": ZEROS,
        "TESS_flags": marked(7, 8, value=32).astype(np.int16),
        "TGLC_flags": marked(3).astype(np.int16),
    }
    path = write_fits_table(tmp_path / "a.fits", columns, primary=TESS, header={"BJDREFI": 2457000, "BJDREFR": 0.0})
    curve = read_light_curve(path)
    check(curve, flagged=[3, 7, 8])
    assert (curve.metadata["flux_column"], curve.metadata["quality_columns"]) == (
        "cal_psf_flux",
        ["TESS_flags", "TGLC_flags"],
    )
    check(read_light_curve(path, flux_column="CAL_APER_FLUX"), flagged=[3, 7, 8])


@pytest.mark.parametrize("flux_column", ["CORR_FLUX", None])
def test_eleanor_has_an_unnamed_table_and_quality_as_floating_point(tmp_path: Path, flux_column: str | None) -> None:
    columns = {
        "TIME": TIMES,
        "RAW_FLUX": 3e4 * FLUXES**2,
        "FLUX_ERR": 1e4 * ERRORS,
        "CORR_FLUX": 1e4 * FLUXES,
        "QUALITY": marked(4, value=4096) * 1.0,
    }
    path = write_fits_table(tmp_path / "a.fits", columns, primary=TESS, header=BTJD, name=None)
    check(read_light_curve(path, flux_column=flux_column), flagged=[4])


def test_qlp(tmp_path: Path) -> None:
    columns = {
        "TIME": TIMES,
        "SAP_FLUX": SINGLE**2,
        "KSPSAP_FLUX": SINGLE,
        "KSPSAP_FLUX_ERR": ERRORS,
        "QUALITY": marked(2, value=4096),
    }
    curve = read_light_curve(write_fits_table(tmp_path / "a.fits", columns, primary=TESS, header=BTJD))
    check(curve, flagged=[2])
    assert curve.uncertainties[0] == pytest.approx(2e-4)


def test_tasoc(tmp_path: Path) -> None:
    columns = {
        "TIME": TIMES,
        "TIMECORR": SINGLE,
        "FLUX_RAW": SINGLE**2,
        "FLUX_RAW_ERR": ERRORS * 9,
        "FLUX_BKG": SINGLE,
        "FLUX_CORR": (FLUXES - 1) * 1e6,
        "FLUX_CORR_ERR": ERRORS * 1e6,
        "QUALITY": ZEROS,
        "PIXEL_QUALITY": ZEROS + 1,
    }
    units = {"FLUX_CORR": "ppm", "FLUX_CORR_ERR": "ppm", "TIME": "BJD - 2457000, days"}
    path = write_fits_table(tmp_path / "a.fits", columns, primary=TESS, header=BTJD, units=units)
    curve = read_light_curve(path)
    check(curve)
    assert curve.uncertainties[0] == pytest.approx(2e-4)


def test_cdips_fluxes_have_letters_for_quality_and_its_magnitudes_are_refused(tmp_path: Path) -> None:
    letters = np.array([b"X" if place == 6 else b"G" for place in range(COUNT)])
    columns = {
        "TMID_BJD": TIMES + 2457000,
        "IFL1": 1e3 * FLUXES,
        "IFE1": ERRORS * 1e3,
        "IRQ1": letters,
        "IRM1": SINGLE,
        "TFA1": SINGLE,
    }
    path = write_fits_table(tmp_path / "a.fits", columns, primary=TESS, name=None)
    curve = read_light_curve(path, flux_column="IFL1")
    check(curve, flagged=[6], system="BJD", start=2458400)
    assert curve.uncertainties[0] == pytest.approx(0.2)
    for options in (ReadingOptions(), ReadingOptions(flux_column="TFA1")):
        with pytest.raises(LightCurveError, match="magnitudes"):
            read_light_curve(path, options=options)


def test_magnitudes_by_their_unit_are_refused_or_converted(tmp_path: Path) -> None:
    path = write_fits_table(
        tmp_path / "a.fits", {"TIME": TIMES, "FLUX": 12 - 2.5 * np.log10(FLUXES)}, units={"FLUX": "mag"}, header=BTJD
    )
    with pytest.raises(LightCurveError, match=r"FLUX holds magnitudes, not fluxes; the setting flux_unit 'mag'"):
        read_light_curve(path)
    check(read_light_curve(path, options=ReadingOptions(flux_unit="mag")))


def test_a_table_as_astropy_writes_it(tmp_path: Path) -> None:
    Table({"time": TIMES, "flux": FLUXES, "flux_err": ERRORS}).write(tmp_path / "a.fits")
    check(read_light_curve(tmp_path / "a.fits"), system="unknown")


def test_an_ascii_table(tmp_path: Path) -> None:
    columns = [
        fits.Column("TIME", "F16.8", array=TIMES, ascii=True),
        fits.Column("FLUX", "E16.8", array=FLUXES, ascii=True),
    ]
    fits.HDUList([fits.PrimaryHDU(), fits.TableHDU.from_columns(columns)]).writeto(tmp_path / "a.fits")
    check(read_light_curve(tmp_path / "a.fits"), system="unknown")


def test_a_whole_curve_in_one_row(tmp_path: Path) -> None:
    path = write_fits_table(tmp_path / "a.fits", {"TIME": TIMES[None, :], "FLUX": FLUXES[None, :]}, header=BTJD)
    check(read_light_curve(path))


def test_fits_packed_by_bzip2(tmp_path: Path) -> None:
    path = write_fits_table(tmp_path / "a.fits", {"TIME": TIMES, "FLUX": FLUXES}, header=BTJD)
    (tmp_path / "a.fits.bz2").write_bytes(bz2.compress(path.read_bytes()))
    check(read_light_curve(tmp_path / "a.fits.bz2"))


# --- What is refused, and in which words


def test_several_tables_that_fit_are_refused(tmp_path: Path) -> None:
    def table(name: str) -> fits.BinTableHDU:
        return fits.BinTableHDU.from_columns(
            [fits.Column("TIME", "D", array=TIMES), fits.Column("FLUX", "D", array=FLUXES)], name=name
        )

    path = write_fits_table(tmp_path / "a.fits", {"TIME": TIMES, "FLUX": FLUXES}, name="TCE_1", more=(table("TCE_2"),))
    with pytest.raises(LightCurveError, match="several HDUs hold a light curve: TCE_1, TCE_2; the setting hdu decides"):
        read_light_curve(path)
    check(read_light_curve(path, options=ReadingOptions(hdu="TCE_2")), system="unknown")


def test_a_target_pixel_file_is_called_one(tmp_path: Path) -> None:
    path = write_fits_table(tmp_path / "a.fits", {"TIME": TIMES, "FLUX": np.ones((COUNT, 12))}, name="PIXELS")
    with pytest.raises(LightCurveError, match=r"holds 12 values a row.*target pixel file"):
        read_light_curve(path)


def test_an_image_is_no_table(tmp_path: Path) -> None:
    fits.PrimaryHDU(np.zeros((5, 5))).writeto(tmp_path / "a.fits")
    with pytest.raises(LightCurveError, match="no HDU besides the first"):
        read_light_curve(tmp_path / "a.fits")


def test_a_table_of_something_else_says_what_it_has(tmp_path: Path) -> None:
    path = write_fits_table(tmp_path / "a.fits", {"RA": TIMES, "DEC": FLUXES}, name="CATALOG")
    with pytest.raises(LightCurveError, match=r"HDU 'CATALOG' names no flux column: it has RA, DEC.*flux_column"):
        read_light_curve(path)


def test_a_column_of_words_is_no_flux(tmp_path: Path) -> None:
    path = write_fits_table(tmp_path / "a.fits", {"TIME": TIMES, "FLUX": np.array([b"bright"] * COUNT)})
    with pytest.raises(LightCurveError, match=r"FLUX .* does not hold numbers"):
        read_light_curve(path)
