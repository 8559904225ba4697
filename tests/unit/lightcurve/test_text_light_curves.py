"""Text formats: the original's four columns, LCSG and CSV."""

from __future__ import annotations

from pathlib import Path

import pytest

from eas.lightcurve import LightCurve, LightCurveError, read_light_curve
from eas.lightcurve.files import LightCurveFormat


def read(tmp_path: Path, text: str, lc_format: LightCurveFormat | None = None) -> LightCurve:
    (tmp_path / "curve.csv").write_text(text)
    return read_light_curve(tmp_path / "curve.csv", lc_format=lc_format)


# --- The original's text


def test_text_has_time_in_seconds_and_comments(tmp_path: Path) -> None:
    curve = read(tmp_path, "# a remark\n0.0 1.0 0.0 0.1\n\n43200 nan 0 0.1 \n86400 2.0 1 0.2\n")
    assert curve.times.tolist() == [0, 0.5, 1]
    assert curve.flags.tolist() == [False, True, True]
    assert curve.uncertainties.tolist() == [0.1, 0.1, 0.2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1 0 0\n25 1 0\n", "line 2: expected 4 columns, found 3"),
        ("0 1 0 0\n25 1 0 0 7\n", "line 2: expected 4 columns, found 5"),
        ("# x\n\n0 1 0 0\n25 bright 0 0\n", "line 4: expected a number, found 'bright'"),
        ("# nothing but a comment\n", "there is no sample in the file"),
    ],
)
def test_faulty_text_names_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(LightCurveError, match=message):
        read(tmp_path, text)


# --- LCSG

LCSG = """# Synthetic light curve
# #seed=42
# # noise = 3.5e-4
# #url=http://host/?a=b
# #star=Sun = yellow
# #bad=nan
0.0,1.0,0
0.1,0.5,1

0.2,nan,0
0.3,1.5,0,99
"""


def test_lcsg_is_recognised_and_read(tmp_path: Path) -> None:
    curve = read(tmp_path, LCSG)
    assert curve.times.tolist() == [0, 0.1, 0.2, 0.3]
    assert curve.flags.tolist() == [False, True, True, False]
    assert curve.good().fluxes.tolist() == [1, 1.5]


def test_lcsg_metadata_split_at_the_first_equals_sign_and_keep_their_type(tmp_path: Path) -> None:
    metadata = read(tmp_path, LCSG).metadata
    assert metadata == {
        "seed": 42,
        "noise": 3.5e-4,
        "url": "http://host/?a=b",
        "star": "Sun = yellow",
        "bad": "nan",
        "filename": "curve.csv",
    }
    assert isinstance(metadata["seed"], int)


def test_lcsg_without_a_header_is_known_by_its_flags(tmp_path: Path) -> None:
    assert read(tmp_path, "0,1,0\n1,2,1\n2,3,0\n").flags.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("row", "message"), [("0.3,1.0", "line 3: expected at least 3 columns, found 2"), ("0.3,1.0,x", "line 3: .*'x'")]
)
def test_faulty_lcsg_names_the_line(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(LightCurveError, match=message):
        read(tmp_path, f"# #seed=1\n0.1,1,0\n{row}\n")


# --- CSV


def test_csv_of_two_columns_is_time_and_flux(tmp_path: Path) -> None:
    curve = read(tmp_path, "1977.2,1.0\n1977.4,1.1\n")
    assert curve.fluxes.tolist() == [1, 1.1]
    assert curve.time_system == "unknown"


def test_csv_of_three_columns_is_time_flux_and_uncertainty(tmp_path: Path) -> None:
    assert read(tmp_path, "0,1,0.01\n1,1,0.02\n").uncertainties.tolist() == [0.01, 0.02]


@pytest.mark.parametrize(
    ("header", "time_system"),
    [
        ("# #BJD_TDB,flux,flux_err", "BJD_TDB"),
        ("# time [BKJD], flux, error", "BKJD"),
        ("BTJD;PDCSAP_FLUX;PDCSAP_FLUX_ERR", "BTJD"),
        ("BJD - 2457000,flux,sigma", "BTJD"),
        ("time,flux,e_flux", "unknown"),
        ("jd\tflux\terr", "JD"),
    ],
)
def test_the_csv_header_names_columns_and_time_system(tmp_path: Path, header: str, time_system: str) -> None:
    mark = next(mark for mark in ";\t," if mark in header)
    day = 2_458_500 if time_system in ("BJD_TDB", "JD") else 1500
    rows = [(f"{day}.5", "0.99", "0.01"), (f"{day + 1}", "1", "0.01")]
    curve = read(tmp_path, "\n".join([header, *(mark.join(row) for row in rows)]))
    assert curve.time_system == time_system
    assert curve.fluxes.tolist() == [0.99, 1]
    assert curve.uncertainties.tolist() == [0.01, 0.01]


def test_csv_columns_may_stand_in_any_order(tmp_path: Path) -> None:
    curve = read(tmp_path, "cadence,quality,sap_flux,flux,time\n1,0,9,1.0,0.5\n2,16,9,1.5,0.6\n")
    assert curve.times.tolist() == [0.5, 0.6]
    assert curve.fluxes.tolist() == [1, 1.5]
    assert curve.flags.tolist() == [False, True]


def test_empty_csv_cells_are_nan_and_a_row_without_a_time_is_dropped(tmp_path: Path) -> None:
    curve = read(tmp_path, "time,flux,flux_err\n0,1,0.1\n1,,\n,5,0.1\n2,3,0.1\n")
    assert curve.times.tolist() == [0, 1, 2]
    assert curve.flags.tolist() == [False, True, False]


def test_full_julian_dates_are_recognised_without_a_header(tmp_path: Path) -> None:
    assert read(tmp_path, "2458410.9,1\n2458411.0,1\n").time_system == "JD"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,magnitude\n0,1\n", "names no flux column"),
        ("phase,flux\n0,1\n", "names no time column"),
        ("0,1,2,3,4\n", "5 columns without a header"),
        ("time,flux\n0,1\n1,dim\n", "line 3: expected a number, found 'dim'"),
        ("time,flux\n0,1\n1\n", "line 3: expected at least 2 columns, found 1"),
        ("time,flux\nhello,world\n0,1\n", "line 2: expected numbers"),
        ("time,flux\n", "there is no sample"),
    ],
)
def test_faulty_csv_says_where_and_what_was_expected(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(LightCurveError, match=message):
        read(tmp_path, text)


def test_a_curve_of_nothing_but_nan_reads_and_has_no_good_sample(tmp_path: Path) -> None:
    curve = read(tmp_path, "0,nan\n1,nan\n2,nan\n")
    assert len(curve) == 3
    assert len(curve.good()) == 0


# --- Real files


def test_real_k2_csv(real_light_curves: Path) -> None:
    curve = read_light_curve(real_light_curves / "EPIC201367065.csv")
    assert (len(curve), curve.time_system) == (3632, "unknown")
    assert curve.times[0] == 1977.26244947
    assert curve.sampling_interval() * 1440 == pytest.approx(29.42, abs=0.01)


def test_real_tess_csv(real_light_curves: Path) -> None:
    curve = read_light_curve(real_light_curves / "TIC_200322593_spoc_pdcsap.csv")
    assert (len(curve), curve.time_system) == (48244, "BJD_TDB")
    assert curve.uncertainties[0] == 2.430076012387871742e-03
    assert curve.sampling_interval() * 86400 == pytest.approx(120, abs=0.01)


def test_the_time_system_can_be_told(real_light_curves: Path) -> None:
    curve = read_light_curve(real_light_curves / "EPIC201367065.csv", time_system="BKJD")
    assert curve.time_system == "BKJD"
