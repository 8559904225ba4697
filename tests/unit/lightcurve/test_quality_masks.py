"""Which bits of quality flag a sample: the missions' masks, numbers, and columns without published bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eas.lightcurve import LightCurve, read_light_curve
from eas.lightcurve.curve_building import explain_no_good_sample
from eas.lightcurve.reading_options import QualityBitmask, ReadingOptions
from tests.support.planets import make_planet, write_fits_table

TIMES, FLUXES = make_planet()

#: Each bit of a mission's quality, one a sample, and which of them flag by default, and hard.
KEPLER = [1 << place for place in range(21)]
TESS = [1 << place for place in range(16)]
KEPLER_DEFAULT = {1, 2, 4, 8, 32, 256, 65536, 1048576}
KEPLER_HARD = KEPLER_DEFAULT | {128, 1024, 8192, 16384, 524288}
TESS_DEFAULT = {1, 2, 4, 8, 16, 32, 128, 512, 4096, 16384}
TESS_HARD = TESS_DEFAULT | {64, 1024, 2048}


def read(
    tmp_path: Path, mission: str, bits: Any, bitmask: QualityBitmask = "default", column: str = "QUALITY"
) -> LightCurve:
    values = np.zeros(len(TIMES), np.asarray(bits).dtype if np.asarray(bits).dtype.kind == "f" else np.int32)
    values[: len(bits)] = bits
    path = write_fits_table(
        tmp_path / "a.fits", {"TIME": TIMES, "FLUX": FLUXES, column: values}, primary={"TELESCOP": mission}
    )
    return read_light_curve(path, options=ReadingOptions(quality_bitmask=bitmask))


@pytest.mark.parametrize(
    ("mission", "bits", "bitmask", "expected"),
    [
        ("Kepler", KEPLER, "default", KEPLER_DEFAULT),
        ("Kepler", KEPLER, "hard", KEPLER_HARD),
        ("Kepler", KEPLER, "hardest", set(KEPLER)),
        ("TESS", TESS, "default", TESS_DEFAULT),
        ("TESS", TESS, "hard", TESS_HARD),
        ("TESS", TESS, "hardest", set(TESS)),
        ("TESS", TESS, "none", set()),
        ("TESS", TESS, 48, {16, 32}),
        ("TESS", TESS, 0, set()),
        ("PLATO", TESS, "default", set(TESS)),
    ],
)
def test_the_bits_of_each_mask(
    tmp_path: Path, mission: str, bits: list[int], bitmask: QualityBitmask, expected: set[int]
) -> None:
    curve = read(tmp_path, mission, bits, bitmask)
    assert {bits[place] for place in np.flatnonzero(curve.flags)} == expected
    known = sum(expected) if bitmask in ("default", "hard") and mission != "PLATO" else bitmask
    assert curve.metadata["quality_mask"] == bitmask
    if mission != "PLATO" and bitmask != "hardest":
        assert curve.metadata["quality_bitmask"] == (0 if bitmask == "none" else known)


def test_a_harmless_bit_in_all_samples_flags_none(tmp_path: Path) -> None:
    curve = read(tmp_path, "Kepler", np.full(len(TIMES), 16384), column="SAP_QUALITY")
    assert not curve.flags.any()


def test_quality_as_floating_point_and_missing_values(tmp_path: Path) -> None:
    curve = read(tmp_path, "TESS", [0.0, 32.0, 64.0, np.nan])
    assert np.flatnonzero(curve.flags).tolist() == [1, 3]


def test_what_leaves_no_sample_says_which_setting_decides(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    curve = read(tmp_path, "TESS", np.full(len(TIMES), 32))
    reason = explain_no_good_sample(curve)
    assert reason.startswith("all 240 samples with a finite flux are flagged by QUALITY; the setting quality_bitmask")
    assert "240 of 240 samples are flagged by QUALITY" in caplog.text


def test_a_flux_that_is_nowhere_finite_says_which_setting_decides(tmp_path: Path) -> None:
    path = write_fits_table(tmp_path / "a.fits", {"TIME": TIMES, "PDCSAP_FLUX": TIMES * np.nan, "SAP_FLUX": FLUXES})
    reason = explain_no_good_sample(read_light_curve(path))
    assert (
        reason
        == "none of the 240 samples has a finite flux (column PDCSAP_FLUX; the setting flux_column names another)"
    )


@pytest.mark.parametrize(("bitmask", "flagged"), [("default", [1, 2]), ("none", []), (2, [2])])
def test_flags_of_text_count_as_a_whole_unless_bits_are_asked_for(
    tmp_path: Path, bitmask: QualityBitmask, flagged: list[int]
) -> None:
    for content in ("time,flux,quality\n0,1,0\n0.1,1,4\n0.2,1,2\n", "0 1 0 0\n25 1 4 0\n50 1 2 0\n"):
        (tmp_path / "a.csv").write_text(content)
        curve = read_light_curve(tmp_path / "a.csv", options=ReadingOptions(quality_bitmask=bitmask))
        assert np.flatnonzero(curve.flags).tolist() == flagged


def test_only_the_column_that_is_asked_for_flags(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("time,flux,flag,quality\n0,1,1,0\n0.1,1,0,4\n0.2,1,0,0\n")
    assert read_light_curve(tmp_path / "a.csv").flags.tolist() == [True, True, False]
    options = ReadingOptions(quality_column="Flag")
    assert read_light_curve(tmp_path / "a.csv", options=options).flags.tolist() == [True, False, False]
