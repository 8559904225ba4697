"""Text as people have it: headers, comments, delimiters, decimal commas, missing values, encodings, row numbers."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import numpy as np
import pytest

from eas.lightcurve import LightCurve, LightCurveError, read_light_curve
from eas.lightcurve.reading_options import ReadingOptions
from tests.support.planets import make_planet, make_rows

TIMES, FLUXES = make_planet()
ERRORS = np.full(len(TIMES), 2e-4)
ZEROS = np.zeros(len(TIMES))
ROWS = make_rows(TIMES, FLUXES, ERRORS)


def read(tmp_path: Path, content: str | bytes, options: ReadingOptions | None = None) -> LightCurve:
    path = tmp_path / "star.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_light_curve(path, options=options)


def check(curve: LightCurve, *, errors: bool = True, good: int = 240) -> None:
    """Compare with the truth: all times, all fluxes of good samples, the uncertainty."""
    np.testing.assert_allclose(curve.times, TIMES, rtol=0, atol=1e-6)
    kept = curve.good_samples()
    assert kept.sum() == good
    np.testing.assert_allclose(curve.fluxes[kept], FLUXES[kept], rtol=0, atol=1e-6)
    assert curve.uncertainties[0] == pytest.approx(2e-4 if errors else 0)


# --- Headers and comments

NAMED = {
    "after.csv": "time,flux,flux_err\n# days, e-/s, e-/s\n",
    "note": "# time,flux,flux_err\n# made by pipeline 1.2, on 2020-01-01\n",
    "note before": "# made by pipeline 1.2, on 2020-01-01\ntime,flux,flux_err\n",
    "title": "Light curve of my star\n\ntime,flux,flux_err\n",
    "title with numbers": "Kepler-10 b, 20 d\ntime,flux,flux_err\n",
    "units in a line": "time,flux,flux_err\nd,,\n",
    "units in brackets": "time,flux,flux_err\n[d],[e-/s],[e-/s]\n",
    "quotes": '"time","flux","flux_err"\n',
    "blanks": " Time , Flux , Flux_Err \n",
    "percent": "% time, flux, flux_err\n",
    "slashes": "// time,flux,flux_err\n",
    "numbered": "# Column 1: time [d]\n# Column 2: flux\n# Column 3: flux_err\n",
    "numbered as by SExtractor": "#   1 TIME       time of mid-exposure [d]\n#   2 FLUX  [1]\n#   3 FLUX_ERR  [1]\n",
    "empty last name": "time,flux,flux_err,\n",
    "remark that mentions both": "# the flux was divided by its median, the time is barycentric\ntime,flux,flux_err\n",
    "entries": "# #star=Sun\n# time,flux,flux_err\n",
}


@pytest.mark.parametrize("header", NAMED.values(), ids=NAMED.keys())
def test_the_line_that_names_the_columns_is_the_header(tmp_path: Path, header: str) -> None:
    check(read(tmp_path, header + ROWS))


REMARKS = {
    "three words": "# time and flux\n",
    "a sentence": "# normalised flux of star\n",
    "with commas": "# Kepler flux, normalised, detrended\n",
    "a date": "# 2020-01-01\n",
    "equals": "# flux = 1\n",
}


@pytest.mark.parametrize("remark", REMARKS.values(), ids=REMARKS.keys())
def test_remarks_are_no_headers(tmp_path: Path, remark: str) -> None:
    check(read(tmp_path, remark + ROWS))


def test_two_lines_of_words_that_are_no_units_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LightCurveError, match="line 2: expected numbers, found 'good,bad,ugly'"):
        read(tmp_path, "time,flux,flux_err\ngood,bad,ugly\n" + ROWS)


def test_a_header_that_names_too_few_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LightCurveError, match=r"names 2 columns .* the rows have 3"):
        read(tmp_path, "time,flux\n" + ROWS)


BLANK_HEADERS = {
    "swapped": ("# time[BTJD] flux quality flux_err\n", (TIMES, FLUXES, ZEROS, ERRORS)),
    "plain": ("# time[BTJD] flux flux_err quality\n", (TIMES, FLUXES, ERRORS, ZEROS)),
    "three": ("# BJD-2457000 flux flux_err\n", (TIMES, FLUXES, ERRORS)),
    "blanks in the name": ("# BJD - 2457000   flux  flux_err\n", (TIMES, FLUXES, ERRORS)),
    "blanks before units": ("# time [BTJD]  flux [e-/s]  error [e-/s]\n", (TIMES, FLUXES, ERRORS)),
    "commas in the header only": ("# BTJD, flux, flux_err\n", (TIMES, FLUXES, ERRORS)),
    "no comment": ("BTJD flux flux_err quality\n", (TIMES, FLUXES, ERRORS, ZEROS)),
    "tabs": ("BTJD\tflux\tflux_err\n", (TIMES, FLUXES, ERRORS)),
    "ECSV": (
        "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: BTJD, unit: d, datatype: float64}\n"
        "# - {name: flux, datatype: float64}\n# - {name: flux_err, datatype: float64}\nBTJD flux flux_err\n",
        (TIMES, FLUXES, ERRORS),
    ),
    "names of two words": ("# BJD - 2457000   Corrected Flux   Flux Err\n", (TIMES, FLUXES, ERRORS)),
    "ruler": ("BTJD          flux       flux_err\n------------ ---------- ---------\n", (TIMES, FLUXES, ERRORS)),
    "IPAC": (
        "\\object = star\n|BTJD    |flux    |flux_err|\n|double  |double  |double  |\n|d       |        |        |\n",
        (TIMES, FLUXES, ERRORS),
    ),
}


@pytest.mark.parametrize(("header", "columns"), BLANK_HEADERS.values(), ids=BLANK_HEADERS.keys())
def test_blank_separated_text_with_a_header_is_not_the_originals(
    tmp_path: Path, header: str, columns: tuple[object, ...]
) -> None:
    curve = read(tmp_path, header + make_rows(*columns, mark="\t" if "\t" in header else " "))
    check(curve)
    assert curve.time_system == "BTJD"


@pytest.mark.parametrize(("columns", "errors"), [((TIMES, FLUXES, ERRORS), True), ((TIMES, FLUXES), False)])
@pytest.mark.parametrize("mark", ["   ", " ", "\t", ";", ",", ", ", " | "])
def test_two_and_three_columns_without_a_header(
    tmp_path: Path, columns: tuple[object, ...], errors: bool, mark: str
) -> None:
    check(read(tmp_path, make_rows(*columns, mark=mark)), errors=errors)


def test_remarks_at_the_end_of_rows(tmp_path: Path) -> None:
    check(read(tmp_path, make_rows(TIMES, FLUXES, ERRORS, ["# ok"] * 240, mark=" ")))


def test_fluxes_that_centre_on_zero_are_kept_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    curve = read(tmp_path, make_rows(TIMES, FLUXES - 1))
    np.testing.assert_allclose(curve.fluxes, FLUXES - 1, atol=1e-6)
    assert "the fluxes centre on 0" in caplog.text
    assert "flux_unit" in caplog.text


def test_a_third_column_of_zeros_and_ones_flags(tmp_path: Path) -> None:
    curve = read(tmp_path, "0 1.0 0\n0.1 1.1 1\n0.2 1.2 0\n")
    assert curve.flags.tolist() == [False, True, False]
    assert not curve.uncertainties.any()


def test_columns_without_a_header_can_be_named_by_number(tmp_path: Path) -> None:
    content = make_rows(ZEROS, FLUXES, TIMES, ERRORS, ZEROS, mark=" ")
    with pytest.raises(LightCurveError, match=r"5 columns without a header.*time_column and flux_column"):
        read(tmp_path, content)
    check(read(tmp_path, content, ReadingOptions(time_column="3", flux_column="2", error_column="4")))


# --- Spellings


@pytest.mark.parametrize("header", ["time;flux;flux_err\n", ""])
def test_decimal_commas_between_semicolons(tmp_path: Path, header: str) -> None:
    check(read(tmp_path, (header + make_rows(TIMES, FLUXES, ERRORS, mark=";")).replace(".", ",")))


@pytest.mark.parametrize("mark", ["\t", " ", "  "])
@pytest.mark.parametrize("header", [True, False])
def test_decimal_commas_between_tabs_and_blanks(tmp_path: Path, mark: str, header: bool) -> None:
    rows = make_rows(TIMES, FLUXES, mark=mark).replace(".", ",")
    check(read(tmp_path, (mark.join(["time", "flux"]) + "\n" if header else "") + rows), errors=False)


def test_decimal_commas_in_quotes_between_commas(tmp_path: Path) -> None:
    cells = [[f'"{value:.7f}"'.replace(".", ",") for value in column] for column in (TIMES, FLUXES)]
    check(read(tmp_path, "time,flux\n" + make_rows(*cells)), errors=False)


def test_points_and_commas_in_one_number_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LightCurveError, match=r"line 2: expected a number, found '1.400,5'.* decimal comma"):
        read(tmp_path, "time;flux\n1.400,5;1,0\n1.400,6;1,0\n")


MISSING = [
    "NA",
    "--",
    "null",
    "None",
    "N/A",
    "n/a",
    "nan",
    "NaN",
    "NULL",
    "#N/A",
    "<NA>",
    "-",
    "?",
    ".",
    "INDEF",
    "****",
    "masked",
    "#DIV/0!",
    "-1.#IND",
]


@pytest.mark.parametrize("word", [*MISSING, ""])
def test_missing_values_flag_their_sample(tmp_path: Path, word: str) -> None:
    fluxes = [word if place == 5 else f"{flux:.7f}" for place, flux in enumerate(FLUXES)]
    check(read(tmp_path, "time,flux,flux_err\n" + make_rows(TIMES, fluxes, ERRORS)), good=239)


@pytest.mark.parametrize("word", ["NA", "--", "NaN", "null"])
def test_missing_values_between_blanks(tmp_path: Path, word: str) -> None:
    fluxes = [word if place == 5 else f"{flux:.7f}" for place, flux in enumerate(FLUXES)]
    check(read(tmp_path, "time flux flux_err\n" + make_rows(TIMES, fluxes, ERRORS, mark=" ")), good=239)


@pytest.mark.parametrize("place", [0, 5])
def test_a_missing_time_drops_the_row_even_if_it_is_the_first(tmp_path: Path, place: int) -> None:
    times = ["NA" if index == place else f"{time:.7f}" for index, time in enumerate(TIMES)]
    curve = read(tmp_path, "time,flux,flux_err\n" + make_rows(times, FLUXES, ERRORS))
    np.testing.assert_allclose(curve.times, np.delete(TIMES, place), atol=1e-6)


def test_exponents_of_fortran(tmp_path: Path) -> None:
    check(read(tmp_path, make_rows(TIMES, FLUXES, ERRORS, mark="  ", form="%.12e").replace("e", "D")))


def test_calendar_dates_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(LightCurveError, match="calendar dates"):
        read(tmp_path, "time,flux\n2020-01-01T00:00:00,1.0\n2020-01-01T00:30:00,1.1\n")


# --- Encodings and line ends

ENCODED = {
    "mark and CRLF": b"\xef\xbb\xbf" + ("time,flux,flux_err\r\n" + ROWS.replace("\n", "\r\n")).encode(),
    "mark, no header": b"\xef\xbb\xbf" + ROWS.encode(),
    "mark and a comment": b"\xef\xbb\xbf# time,flux,flux_err\n" + ROWS.encode(),
    "UTF-16": ("time,flux,flux_err\r\n" + ROWS.replace("\n", "\r\n")).encode("utf-16"),
    "UTF-16 big endian with a mark": b"\xfe\xff" + ("time,flux,flux_err\n" + ROWS).encode("utf-16-be"),
    "UTF-16 without a mark": ("time,flux,flux_err\n" + ROWS).encode("utf-16-le"),
    "UTF-16, tabs": ("time\tflux\tflux_err\r\n" + ROWS.replace(",", "\t")).encode("utf-16"),
    "UTF-32": ("time,flux,flux_err\n" + ROWS).encode("utf-32"),
    "CR": ("time,flux,flux_err\n" + ROWS).replace("\n", "\r").encode(),
    "CR, no header": ROWS.replace("\n", "\r").encode(),
    "CR after the header": ("time,flux,flux_err\r" + ROWS).encode(),
    "Latin-1": "# Fluß für Stern é\ntime,flux,flux_err\n".encode("latin-1") + ROWS.encode(),
    "end of file of DOS": ("time,flux,flux_err\n" + ROWS).encode() + b"\x1a",
    "blank lines": ("\n\n" + "time,flux,flux_err\n\n" + ROWS + "\n\n").encode(),
    "delimiter at the end": ("time,flux,flux_err\n" + ROWS.replace("\n", ",\n")).encode(),
    "gzip": gzip.compress(("time,flux,flux_err\n" + ROWS).encode()),
    "bzip2": bz2.compress(("time,flux,flux_err\n" + ROWS).encode()),
    "xz": lzma.compress(("time,flux,flux_err\n" + ROWS).encode()),
    "gzipped UTF-16": gzip.compress(("time,flux,flux_err\n" + ROWS).encode("utf-16")),
}


@pytest.mark.parametrize("name", ENCODED)
def test_text_is_read_in_any_usual_encoding(tmp_path: Path, name: str) -> None:
    check(read(tmp_path, ENCODED[name]))


@pytest.mark.parametrize("packer", [gzip, bz2, lzma])
def test_packed_text_that_is_cut_off_is_refused(tmp_path: Path, packer: object) -> None:
    whole = packer.compress(ROWS.encode())  # type: ignore[attr-defined]
    with pytest.raises(LightCurveError, match=r"star\.csv: broken"):
        read(tmp_path, whole[: len(whole) // 2])


FOREIGN = {
    "HDF5": (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "an HDF5 file"),
    "Excel": (
        b"PK\x03\x04\x14\0\6\0\x08\0\0\0\0\0" + b"\0" * 12 + b"\x13\0\0\0[Content_Types].xml",
        "an Excel workbook",
    ),
    "zip": (b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0" + b"\0" * 12 + b"\x08\0\0\0star.csv", "a zip archive"),
    "old Excel": (b"\xd0\xcf\x11\xe0" + b"\0" * 100, "old Excel"),
    "VOTable": (b'<?xml version="1.0"?>\n<VOTABLE>', "VOTable"),
    "web page": (b"<!DOCTYPE html><html>404</html>", "a web page"),
    "pickle": (b"\x80\x04\x95" + b"\0" * 10, "pickle"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_files_of_other_kinds_are_called_by_their_names(tmp_path: Path, name: str) -> None:
    content, what = FOREIGN[name]
    with pytest.raises(LightCurveError, match=what):
        read(tmp_path, content)


# --- Row numbers

INDEX = [str(place) for place in range(len(TIMES))]
COUNT = [str(place + 1) for place in range(len(TIMES))]
QUOTED = [f'"{place + 1}"' for place in range(len(TIMES))]

NUMBERED_ROWS = {
    "pandas": ",time,flux,flux_err\n" + make_rows(INDEX, TIMES, FLUXES, ERRORS),
    "pandas, tabs": "\ttime\tflux\tflux_err\n" + make_rows(INDEX, TIMES, FLUXES, ERRORS, mark="\t"),
    "pandas, semicolons": ";time;flux;flux_err\n" + make_rows(INDEX, TIMES, FLUXES, ERRORS, mark=";"),
    "pandas, blanks": " time flux flux_err\n" + make_rows(INDEX, TIMES, FLUXES, ERRORS, mark=" "),
    "pandas, again": "Unnamed: 0,time,flux,flux_err\n" + make_rows(INDEX, TIMES, FLUXES, ERRORS),
    "numbers for names": ",0,1,2\n" + make_rows(INDEX, TIMES, FLUXES, ERRORS),
    "numbers for names, no index": "0,1,2\n" + ROWS,
    "no names": make_rows(INDEX, TIMES, FLUXES, ERRORS),
    "no names, blanks": make_rows(COUNT, TIMES, FLUXES, ERRORS, mark=" "),
    "R, write.csv": '"","time","flux","flux_err"\n' + make_rows(QUOTED, TIMES, FLUXES, ERRORS),
    "R, write.table": '"time" "flux" "flux_err"\n' + make_rows(QUOTED, TIMES, FLUXES, ERRORS, mark=" "),
    "R, no quotes": "time flux flux_err\n" + make_rows(COUNT, TIMES, FLUXES, ERRORS, mark=" "),
    "commented header": "# time flux flux_err\n" + make_rows(COUNT, TIMES, FLUXES, ERRORS, mark=" "),
}


@pytest.mark.parametrize("name", NUMBERED_ROWS)
def test_row_numbers_are_never_times(tmp_path: Path, name: str) -> None:
    check(read(tmp_path, NUMBERED_ROWS[name]))


def test_two_columns_after_row_numbers(tmp_path: Path) -> None:
    check(read(tmp_path, ",0,1\n" + make_rows(INDEX, TIMES, FLUXES)), errors=False)


def test_a_few_rows_that_may_be_numbered_are_refused(tmp_path: Path) -> None:
    content = "0,1400.0,1.0\n1,1400.1,1.1\n2,1400.2,1.2\n"
    with pytest.raises(LightCurveError, match=r"may count rows.*time_column"):
        read(tmp_path, content)
    assert read(tmp_path, content, ReadingOptions(time_column="2", flux_column="3")).times[0] == 1400


def test_whole_days_as_times_are_no_row_numbers(tmp_path: Path) -> None:
    fluxes = np.random.default_rng(1).normal(1, 0.01, 50)
    curve = read(tmp_path, make_rows([str(day) for day in range(50)], fluxes, np.full(50, 0.01)))
    assert curve.times.tolist() == list(range(50))


# --- The original's text


def test_flags_that_equal_the_fluxes_flag_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    seconds = np.arange(len(FLUXES)) * 25.0
    curve = read(tmp_path, make_rows(seconds, FLUXES, FLUXES, ZEROS, mark=" ", form="%.18e"))
    assert curve.good_samples().all()
    assert curve.times[1] == pytest.approx(25 / 86400)
    assert "column 3 (flags) equals column 2 (fluxes), a mistake of the original" in caplog.text


def test_a_third_column_of_fractions_is_no_flag(tmp_path: Path) -> None:
    seconds = np.arange(len(FLUXES)) * 25.0
    with pytest.raises(LightCurveError, match=r"the third one has 0.0002, which is no flag.*quality_column"):
        read(tmp_path, make_rows(seconds, FLUXES, ERRORS, ZEROS, mark=" "))


def test_four_columns_whose_times_look_like_days_are_refused(tmp_path: Path) -> None:
    content = make_rows(TIMES, FLUXES, ZEROS, ERRORS, mark=" ")
    with pytest.raises(LightCurveError, match="could be days; the setting time_unit"):
        read(tmp_path, content)
    check(read(tmp_path, content, ReadingOptions(time_unit="d")))
    assert read(tmp_path, content, ReadingOptions(time_unit="s")).times[0] == pytest.approx(1400 / 86400)


def test_psls_writes_seconds_and_parts_per_million(tmp_path: Path) -> None:
    rows = make_rows((TIMES - TIMES[0]) * 86400, (FLUXES - 1) * 1e6, ["0"] * 239 + ["1"], mark=" ")
    curve = read(tmp_path, f"# StarName: 1\n# PSLS version: 1.8\n# Time [s], Flux variation [ppm], Flag\n{rows}")
    np.testing.assert_allclose(curve.times, TIMES - TIMES[0], atol=1e-9)
    np.testing.assert_allclose(curve.fluxes, FLUXES, atol=1e-9)
    assert np.flatnonzero(curve.flags).tolist() == [239]


def test_psls_with_groups_of_cameras(tmp_path: Path) -> None:
    rows = make_rows((TIMES - TIMES[0]) * 86400, (FLUXES - 1) * 1e6, ["3"] * 240, ["0"] * 240, mark=" ")
    curve = read(tmp_path, f"# PSLS version: 1.8\n# Time [s], Flux variation [ppm], Group ID, Flag\n{rows}")
    np.testing.assert_allclose(curve.fluxes, FLUXES, atol=1e-9)
    assert curve.good_samples().all()


# --- Surveys


def test_asas_sn(tmp_path: Path) -> None:
    rows = make_rows(TIMES + 2457000, ["ba"] * 240, ["13.000"] * 240, 15 * FLUXES, ["0.003"] * 240)
    curve = read(tmp_path, "hjd,camera,mag,flux,flux_err\n" + rows)
    assert (curve.time_system, curve.uncertainties[0]) == ("HJD", 0.003)
    np.testing.assert_allclose(curve.fluxes, 15 * FLUXES, atol=1e-6)


def test_asas_sn_sky_patrol_with_letters_of_quality(tmp_path: Path) -> None:
    letters = ["B" if place == 7 else "G" for place in range(240)]
    rows = make_rows(TIMES + 2457000, FLUXES, ["0.003"] * 240, ["13"] * 240, ["coadd_1"] * 240, ["ba"] * 240, letters)
    curve = read(tmp_path, "jd,flux,flux_err,mag,image_id,camera,quality\n" + rows)
    assert curve.time_system == "JD"
    assert np.flatnonzero(curve.flags).tolist() == [7]


def test_asas_sn_with_dates_and_units_in_names(tmp_path: Path) -> None:
    rows = make_rows(TIMES + 2457000, ["2018-10-08.5"] * 240, ["ba"] * 240, [">14.2"] * 240, FLUXES, ["0.003"] * 240)
    curve = read(tmp_path, "HJD,UT Date,Camera,mag,flux(mJy),flux_err\n" + rows)
    assert (curve.time_system, curve.metadata["flux_unit"]) == ("HJD", "mJy")


def test_atlas(tmp_path: Path) -> None:
    rows = make_rows(TIMES + 56999.5, ["16"] * 240, ["0.01"] * 240, 100 * FLUXES, ["2"] * 240, ["o"] * 240, mark=" ")
    curve = read(tmp_path, "###MJD m dm uJy duJy F\n" + rows)
    assert (curve.time_system, curve.uncertainties[0]) == ("MJD", 2)
    np.testing.assert_allclose(curve.fluxes, 100 * FLUXES, atol=1e-5)


def test_lightkurve_export_takes_the_chosen_flux(tmp_path: Path) -> None:
    rows = make_rows(TIMES, FLUXES, ERRORS, FLUXES * 9, ["0"] * 239 + ["8"], FLUXES * 7)
    curve = read(tmp_path, "time,flux,flux_err,sap_flux,quality,pdcsap_flux\n" + rows)
    check(curve, good=239)


def test_a_name_in_the_first_column(tmp_path: Path) -> None:
    check(read(tmp_path, "star,time,flux,flux_err\n" + make_rows(["TIC 1"] * 240, TIMES, FLUXES, ERRORS)))


def test_magnitudes_are_no_fluxes_unless_they_are_converted(tmp_path: Path) -> None:
    magnitudes = 12 - 2.5 * np.log10(FLUXES)
    content = "hjd,mag,mag_err\n" + make_rows(TIMES, magnitudes, np.full(240, 0.001))
    with pytest.raises(LightCurveError, match=r"names no flux column.*mag holds magnitudes.*flux_unit 'mag'"):
        read(tmp_path, content)
    curve = read(tmp_path, content, ReadingOptions(flux_unit="mag"))
    np.testing.assert_allclose(curve.fluxes, FLUXES / np.median(FLUXES), atol=1e-5)
    assert curve.uncertainties[0] == pytest.approx(0.001 * 0.921, rel=1e-2)


def test_several_fluxes_without_a_usual_name_are_refused(tmp_path: Path) -> None:
    content = "time,flux_a,flux_b\n" + make_rows(TIMES, FLUXES, FLUXES)
    with pytest.raises(
        LightCurveError, match="several columns of flux: flux_a, flux_b; the setting flux_column decides"
    ):
        read(tmp_path, content)
    check(read(tmp_path, content, ReadingOptions(flux_column="flux_b")), errors=False)


@pytest.mark.parametrize(
    "name", ["sap_flux", "detrended flux", "Relative Flux", "norm_flux", "rel_flux_T1", "flux_corrected"]
)
def test_the_only_flux_is_the_flux(tmp_path: Path, name: str) -> None:
    check(read(tmp_path, f"time,{name},background_flux\n" + make_rows(TIMES, FLUXES, ZEROS)), errors=False)


def test_the_uncertainty_of_another_flux_is_not_taken(tmp_path: Path) -> None:
    content = "time,sap_flux,pdcsap_flux,pdcsap_flux_err\n" + make_rows(TIMES, FLUXES, ZEROS, ERRORS)
    check(read(tmp_path, content, ReadingOptions(flux_column="SAP_FLUX")), errors=False)


def test_one_sample_is_a_light_curve(tmp_path: Path) -> None:
    assert len(read(tmp_path, "time,flux\n1400.0,1.0\n")) == 1
    assert len(read(tmp_path, "1400.0 1.0\n1400.1 1.0\n")) == 2
