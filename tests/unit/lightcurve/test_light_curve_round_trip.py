"""What is written reads back: every format, flags and uncertainties included."""

from __future__ import annotations

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eas.lightcurve import FixedStepLightCurve, LightCurve, LightCurveError, read_light_curve, write_light_curve

finite = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(st.characters(codec="utf-8"), max_size=8)
values = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | finite | st.text(st.characters(codec="utf-8"))


@st.composite
def light_curves(draw: st.DrawFn) -> LightCurve:
    size = draw(st.integers(1, 30))

    def column(elements: st.SearchStrategy[float]) -> list[float]:
        return draw(st.lists(elements, min_size=size, max_size=size))

    samples = {
        "fluxes": column(st.floats(allow_infinity=False)),
        "uncertainties": column(st.floats(0, 1e300)),
        "flags": column(st.sampled_from([0, 1])),
    }
    metadata = draw(st.dictionaries(names, values | st.lists(values, max_size=3), max_size=4))
    time_system = draw(st.sampled_from(["relative", "BTJD", "BKJD", "BJD_TDB", "unknown", "BJD - 2450000"]))
    curve: LightCurve
    if draw(st.booleans()):
        curve = FixedStepLightCurve(draw(st.floats(-1e5, 1e5)), draw(st.floats(1e-6, 100)), **samples)  # type: ignore[arg-type]
    else:
        curve = LightCurve(column(st.floats(-1e8, 1e8)), **samples)  # type: ignore[arg-type]
    curve.time_system, curve.metadata = time_system, metadata
    return curve


@given(curve=light_curves())
@settings(deadline=None)
def test_the_binary_format_keeps_every_bit(curve: LightCurve) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "curve.npz"
        assert write_light_curve(curve, path) == {"binary": True, "gzipped": False}
        back = read_light_curve(path)
    assert type(back) is type(curve)
    for name in ("times", "fluxes", "uncertainties", "flags"):
        np.testing.assert_array_equal(getattr(back, name), getattr(curve, name))
    assert (back.time_system, back.metadata) == (curve.time_system, curve.metadata)
    assert [type(value) for value in back.metadata.values()] == [type(value) for value in curve.metadata.values()]


@given(curve=light_curves(), gzipped=st.booleans())
@settings(deadline=None)
def test_text_keeps_values_flags_uncertainties_and_time_system(curve: LightCurve, gzipped: bool) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / ("curve.gz" if gzipped else "curve.dat")
        assert write_light_curve(curve, path) == {"binary": False, "gzipped": gzipped}
        assert (path.read_bytes()[:2] == b"\x1f\x8b") is gzipped
        back = read_light_curve(path)
    np.testing.assert_allclose(back.times, curve.times, rtol=1e-15)
    np.testing.assert_array_equal(back.fluxes, curve.fluxes)
    np.testing.assert_array_equal(back.uncertainties, curve.uncertainties)
    np.testing.assert_array_equal(back.flags, curve.flags | np.isnan(curve.fluxes))
    assert back.time_system == curve.time_system


def test_text_is_the_four_columns_of_the_original_with_time_in_seconds(tmp_path: Path) -> None:
    curve = LightCurve([0, 0.5], [1.25, 0.75], flags=[0, 1], uncertainties=[0.001, 0.002])
    write_light_curve(curve, tmp_path / "curve.txt")
    rows = [[float(cell) for cell in line.split()] for line in (tmp_path / "curve.txt").read_text().splitlines()]
    assert rows == [[0, 1.25, 0, 0.001], [43200, 0.75, 1, 0.002]]


def test_text_of_many_blocks_is_complete(tmp_path: Path) -> None:
    curve = FixedStepLightCurve(0, 25 / 86400, np.random.default_rng(1).normal(1, 1e-4, 250_001))
    write_light_curve(curve, tmp_path / "curve.txt")
    back = read_light_curve(tmp_path / "curve.txt")
    np.testing.assert_array_equal(back.fluxes, curve.fluxes)
    assert back.check_fixed_step() == 0


@pytest.mark.parametrize("name", ["curve.npz", "curve.txt", "curve.gz"])
def test_the_same_curve_gives_the_same_bytes_under_any_name(tmp_path: Path, name: str) -> None:
    curve = LightCurve([0, 1, 2], [1, 1, 1])
    first, second = tmp_path / f"a_{name}", tmp_path / f"b_{name}"
    write_light_curve(curve, first)
    write_light_curve(curve, second)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", ["curve.fits", "curve.npy", "curve.npz.gz", "curve.FITS.gz"])
def test_a_suffix_that_promises_another_format_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(LightCurveError, match=r"written as \.npz or as text"):
        write_light_curve(LightCurve([0, 1], [1, 1]), tmp_path / name)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("value", [float("nan"), [1, {"a": float("inf")}], object()])
def test_metadata_that_json_cannot_hold_are_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(LightCurveError, match="metadata"):
        write_light_curve(LightCurve([0, 1], [1, 1], metadata={"x": value}), tmp_path / "curve.npz")


def test_content_decides_on_reading_whatever_the_suffix_says(tmp_path: Path) -> None:
    curve = LightCurve([0, 1], [1.5, 2.5])
    for written, renamed in (("a.npz", "a.csv"), ("b.gz", "b.csv"), ("c.txt", "c.gz")):
        write_light_curve(curve, tmp_path / written)
        (tmp_path / written).rename(tmp_path / renamed)
        assert read_light_curve(tmp_path / renamed).fluxes.tolist() == [1.5, 2.5]


def test_metadata_given_on_reading_overlay_those_of_the_file(tmp_path: Path) -> None:
    write_light_curve(LightCurve([0, 1], [1, 1], metadata={"a": 1, "b": 1}), tmp_path / "curve.npz")
    curve = read_light_curve(tmp_path / "curve.npz", metadata={"b": 2, "time_system": "BTJD"})
    assert (curve.metadata["a"], curve.metadata["b"], curve.time_system) == (1, 2, "BTJD")


@pytest.mark.parametrize("keep", [0.2, 0.6, 0.99])
@pytest.mark.parametrize("name", ["curve.npz", "curve.gz"])
def test_files_that_are_cut_off_are_refused(tmp_path: Path, name: str, keep: float) -> None:
    path = tmp_path / name
    fluxes = np.random.default_rng(0).normal(1, 1e-3, 20_000)
    write_light_curve(FixedStepLightCurve(0, 0.1, fluxes), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(LightCurveError, match=f"{name}: broken"):
        read_light_curve(path)


def test_other_npz_files_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", fluxes=np.ones(3))
    with pytest.raises(LightCurveError, match="not a light curve"):
        read_light_curve(tmp_path / "other.npz")


def test_an_npz_file_with_pickled_objects_is_not_run(tmp_path: Path) -> None:
    np.savez(tmp_path / "evil.npz", header=np.array([{"format": "x"}], dtype=object))
    with pytest.raises(LightCurveError, match="broken npz file"):
        read_light_curve(tmp_path / "evil.npz")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, content: bytes, packed: bool) -> None:
    (tmp_path / "empty").write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(LightCurveError, match="empty: the file is empty"):
        read_light_curve(tmp_path / "empty")


def test_binary_rubbish_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rubbish").write_bytes(bytes(range(256)) * 10)
    with pytest.raises(LightCurveError, match="not a light curve in any known format"):
        read_light_curve(tmp_path / "rubbish")


def test_the_demanded_format_must_be_the_one_found(tmp_path: Path) -> None:
    write_light_curve(LightCurve([0, 1], [1, 1]), tmp_path / "curve.npz")
    with pytest.raises(LightCurveError, match="expected a light curve in the format 'fits'"):
        read_light_curve(tmp_path / "curve.npz", lc_format="fits")
