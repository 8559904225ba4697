"""FITS of TESS and Kepler: columns, quality, time systems, metadata, and files that are cut off."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from eas.lightcurve import LightCurveError, read_light_curve


def make_file(
    path: Path,
    *,
    telescope: str = "TESS",
    quality: str = "QUALITY",
    rows: int = 200,
    hdu: str = "LIGHTCURVE",
    **cards: Any,
) -> Path:
    """Write a small file of the pipelines' shape: sample 3 has no time, 5 a quality bit, 7 no flux."""
    times = 1325.0 + np.arange(rows) * 120 / 86400
    times[3] = np.nan
    flux = np.full(rows, 1000.0, np.float32)
    flux[7] = np.nan
    bits = np.zeros(rows, np.int32)
    bits[5] = 1 << 5  # a desaturation, which counts in every mission
    columns = [
        fits.Column("TIME", "D", array=times),
        fits.Column("SAP_FLUX", "E", array=flux * 2),
        fits.Column("PDCSAP_FLUX", "E", array=flux),
        fits.Column("PDCSAP_FLUX_ERR", "E", array=flux * 0.001),
        fits.Column(quality, "J", array=bits),
    ]
    primary = fits.PrimaryHDU()
    primary.header["TELESCOP"] = telescope
    primary.header.update(cards)
    table = fits.BinTableHDU.from_columns(columns, name=hdu)
    table.header["BJDREFI"] = 2457000 if telescope == "TESS" else 2454833
    table.header["BJDREFF"] = 0.0
    table.header["TIMEDEL"] = 120 / 86400
    fits.HDUList([primary, table]).writeto(path)
    return path


def test_rows_without_a_time_are_dropped_and_bad_samples_flagged(tmp_path: Path) -> None:
    curve = read_light_curve(make_file(tmp_path / "a.fits"))
    assert len(curve) == 199
    assert np.flatnonzero(curve.flags).tolist() == [4, 6]  # one row earlier than in the file
    assert np.flatnonzero(np.isnan(curve.fluxes)).tolist() == [6]
    assert curve.good().fluxes.tolist() == [1000.0] * 197
    assert curve.uncertainties[0] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("telescope", "quality", "time_system"), [("TESS", "QUALITY", "BTJD"), ("Kepler", "SAP_QUALITY", "BKJD")]
)
def test_missions_differ_in_quality_column_and_time_system(
    tmp_path: Path, telescope: str, quality: str, time_system: str
) -> None:
    path = make_file(tmp_path / "a.fits", telescope=telescope, quality=quality)
    curve = read_light_curve(path)
    assert curve.time_system == time_system
    assert curve.flags[4]
    other = "kepler" if telescope == "TESS" else "tess"
    with pytest.raises(LightCurveError, match=f"expected a light curve of {other}"):
        read_light_curve(path, lc_format=other)  # type: ignore[arg-type]


def test_header_values_become_metadata_and_absent_ones_do_not(tmp_path: Path) -> None:
    path = make_file(tmp_path / "a.fits", OBJECT="TIC 1", TICID=1, SECTOR=5, TEFF=5800.0, RADIUS=None)
    metadata = read_light_curve(path).metadata
    assert metadata == {
        "filename": "a.fits",
        "time_column": "TIME",
        "flux_column": "PDCSAP_FLUX",
        "error_column": "PDCSAP_FLUX_ERR",
        "quality_columns": ["QUALITY"],
        "quality_mask": "default",
        "quality_bitmask": 21183,
        "mission": "TESS",
        "object": "TIC 1",
        "tic_id": 1,
        "sector": 5,
        "teff": 5800.0,
        "cadence": 120.0,
    }


def test_another_flux_column_can_be_asked_for(tmp_path: Path) -> None:
    path = make_file(tmp_path / "a.fits")
    assert read_light_curve(path, flux_column="sap_flux").fluxes[0] == 2000
    with pytest.raises(LightCurveError, match=r"no column KSPSAP_FLUX .*; it has TIME, SAP_FLUX"):
        read_light_curve(path, flux_column="KSPSAP_FLUX")


def test_gzipped_fits_reads_the_same(tmp_path: Path) -> None:
    path = make_file(tmp_path / "a.fits")
    (tmp_path / "b").write_bytes(gzip.compress(path.read_bytes()))
    assert len(read_light_curve(tmp_path / "b")) == 199


@pytest.mark.parametrize("kept", [1000, 2880, 4000, 7000, 10_000])
@pytest.mark.parametrize("gzipped", [False, True])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, kept: int, gzipped: bool) -> None:
    content = make_file(tmp_path / "whole.fits").read_bytes()
    cut = tmp_path / "cut.fits"
    cut.write_bytes(gzip.compress(content[:kept]) if gzipped else content[:kept])
    with pytest.raises(LightCurveError, match=r"cut\.fits: .*cut off"):
        read_light_curve(cut)


def test_a_file_that_lost_only_its_end_is_refused_too(tmp_path: Path) -> None:
    content = make_file(tmp_path / "whole.fits").read_bytes()
    (tmp_path / "cut.fits").write_bytes(content[:-500])
    with pytest.raises(LightCurveError, match=r"cut\.fits: the FITS file is cut off"):
        read_light_curve(tmp_path / "cut.fits")


def test_fits_of_any_origin_is_read_where_every_bit_of_quality_counts(tmp_path: Path) -> None:
    curve = read_light_curve(make_file(tmp_path / "a.fits", telescope="CHEOPS", hdu="SCI"))
    assert np.flatnonzero(curve.flags).tolist() == [4, 6]
    assert curve.metadata["mission"] == "CHEOPS"
    assert "quality_bitmask" not in curve.metadata


# --- Real files


@pytest.mark.parametrize(
    ("name", "time_system", "cadence", "expected"),
    [
        (
            "tess2018206045859-s0001-0000000025155310-0120-s_lc.fits",
            "BTJD",
            120,
            {"object": "TIC 25155310", "tic_id": 25155310, "sector": 1, "mission": "TESS", "teff": 5800.0},
        ),
        (
            "kplr011446443-2009131110544_slc.fits",
            "BKJD",
            58.85,
            {"object": "KIC 11446443", "kepler_id": 11446443, "quarter": 0, "mission": "Kepler", "radius": 0.964},
        ),
        (
            "kplr011442793-2009350155506_llc.fits",
            "BKJD",
            1765.4,
            {"object": "KIC 11442793", "quarter": 3, "logg": 4.317},
        ),
    ],
)
def test_real_mission_files(
    real_light_curves: Path, name: str, time_system: str, cadence: float, expected: dict[str, Any]
) -> None:
    curve = read_light_curve(real_light_curves / name)
    assert curve.time_system == time_system
    assert curve.sampling_interval() * 86400 == pytest.approx(cadence, abs=0.1)
    assert expected.items() <= curve.metadata.items()
    good = curve.normalised().good()
    assert 0.85 < len(good) / len(curve) < 1
    assert np.isfinite(good.fluxes).all()
    assert (good.uncertainties > 0).all()


def test_a_real_file_that_is_cut_off(real_light_curves: Path, tmp_path: Path) -> None:
    content = (real_light_curves / "kplr011442793-2009350155506_llc.fits").read_bytes()
    (tmp_path / "cut.fits").write_bytes(content[: len(content) // 2])
    with pytest.raises(LightCurveError, match=r"cut\.fits: .*cut off"):
        read_light_curve(tmp_path / "cut.fits")
