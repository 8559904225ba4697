"""Compiled kernels give what the plain ways give, to the bit."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eas.lightcurve import LightCurve, LightCurveError, arrays, read_light_curve, resample
from eas.lightcurve import kernels as kernel_modules
from eas.lightcurve.arrays import FloatArray

number_parser = pytest.importorskip("eas.lightcurve.number_parser")
raster_kernel = pytest.importorskip("eas.lightcurve.raster_kernel")

HARD = """0.5 8.5 1e22 1e23 -0.0 0 .5 5. 1E5 1e+05 -7.25e-3 nan NaN 1e400 1e-400 5e-324 2.2250738585072014e-308
9007199254740993 9007199254740992.5 9007199254740993.0 4503599627370497.5 4503599627370496.5 0.1 0.30000000000000004
123456789012345678901234567890 0.000000000000000000000000000001234567890123456789 1.7976931348623157e308 3e-44
18014398509481986 18014398509481990 36028797018963972 1e-27 1e-28 1e55 1e56 89255.0e-22
104308485241983990666713401708072175773165034278682682111762656292409752922e-5"""


def parse(folder: Path, text: str, columns: int = 1, delimiter: str | None = None) -> FloatArray | None:
    path = folder / "table.txt"
    path.write_text(text)
    found: FloatArray | None = number_parser.parse_table(
        path, delimiter=delimiter, columns=tuple(range(columns)), exact=True
    )
    return found


def bits(values: FloatArray) -> list[int]:
    return [0 if np.isnan(value) else struct.unpack("Q", struct.pack("d", value))[0] for value in values.tolist()]


def test_every_number_is_the_nearest_double(tmp_path: Path) -> None:
    words = HARD.split()
    found = parse(tmp_path, "\n".join(words))
    assert found is not None
    assert bits(found[:, 0]) == bits(np.array([float(word) for word in words]))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.floats(allow_infinity=False).map(repr)
        | st.decimals(allow_nan=False, allow_infinity=False).map(lambda number: f"{number:.{abs(hash(number)) % 25}e}")
        | st.tuples(st.integers(0, 2**70), st.integers(-80, 80)).map(lambda pair: f"{pair[0]}e{pair[1]}"),
        min_size=1,
        max_size=200,
    )
)
def test_random_numbers_are_the_nearest_doubles(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    found = parse(tmp_path_factory.mktemp("numbers"), "\n".join(words) + "\n")
    assert found is not None
    assert bits(found[:, 0]) == bits(np.array([float(word) for word in words]))


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("1 2\n3\n", None),
        ("1 2\n3 4 5\n", None),
        ("1 2\n3 x\n", None),
        ("1 2\n3 4x\n", None),
        ("1,2\n3,\n", ","),
        ("1,2\n3 4\n", ","),
        ("1 2\n3 1e\n", None),
        ("1 2\n3 -\n", None),
        ("1 2\n3 n", None),
        ("1 2 # remark\n", None),
        ("1 2\n3 inf\n", None),
    ],
)
def test_what_is_not_plain_is_left_to_a_reader_that_explains_it(
    tmp_path: Path, text: str, delimiter: str | None
) -> None:
    assert parse(tmp_path, text, 2, delimiter) is None


def test_comments_blank_lines_blanks_and_a_missing_last_line_feed_are_nothing(tmp_path: Path) -> None:
    found = parse(tmp_path, "# a\n\n  1 \t 2 \r\n#b\n   \n+3   4e0", 2)
    assert found is not None
    assert found.tolist() == [[1, 2], [3, 4]]


def test_further_columns_and_header_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("time,flux,name\n1, 2 ,Vega\n3,4,\n")
    found = number_parser.parse_table(path, delimiter=",", columns=(1, 0), skip=1, exact=False)
    assert found is not None
    assert found.tolist() == [[2, 1], [4, 3]]


def test_a_faulty_line_of_a_light_curve_is_named_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "curve.txt"
    path.write_text("0 1 0 0\n25 1 0 zero\n")
    with pytest.raises(LightCurveError, match="line 2: expected a number, found 'zero'"):
        read_light_curve(path)


def test_rebinning_by_the_kernel_and_by_numpy_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(4)
    times = np.sort(random.uniform(0, 20, 3000))
    times = times[(times < 7) | (times > 8)]
    curve = LightCurve(
        times,
        np.where(random.random(len(times)) < 0.01, np.nan, random.normal(1, 1e-3, len(times))),
        uncertainties=random.uniform(1e-4, 1e-3, len(times)),
        flags=random.random(len(times)) < 0.05,
    )
    rasters = [np.arange(-1, 22, step) for step in (0.003, 0.02, 0.5)] + [times + 1e-4]
    kernel_modules.load_kernels()
    compiled = [resample(curve, raster) for raster in rasters]
    monkeypatch.delitem(sys.modules, "eas.lightcurve.rebin_kernel")  # not loaded, and so few are not worth it
    for raster, found in zip(rasters, compiled, strict=True):
        plain = resample(curve, raster)
        assert np.array_equal(found.fluxes, plain.fluxes, equal_nan=True)
        assert np.array_equal(found.uncertainties, plain.uncertainties)
        assert np.array_equal(found.flags, plain.flags)


# --- Rasters


@st.composite
def rasters(draw: st.DrawFn) -> FloatArray:
    """Draw times on a grid, [d]: with gaps, jitter up to and beyond the tolerance, samples twice or out of order."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.integers(2, 40) | st.sampled_from([999, 1000, 1001, 2500, 3999, 4000, 4001, 9000]))
    step = draw(st.sampled_from([1e-4, 2e-4, 25 / 86400, 0.02, 0.25, 1.0]))
    places = np.arange(count, dtype=np.float64)
    for _ in range(draw(st.integers(0, 3))):
        places[random.integers(count) :] += random.integers(1, 500)  # a gap
    if draw(st.booleans()):
        places = np.sort(random.choice(places, max(int(0.9 * count), 2), replace=draw(st.booleans())))
    jitter = draw(st.sampled_from([0.0, 1e-6, 1e-4, 1.0000001e-4, 0.3 * step, step]))
    if draw(st.booleans()):
        wobble = jitter * random.uniform(-1, 1, len(places))
    else:
        wobble = jitter * random.choice([-1, 0, 1], len(places))
    times = draw(st.sampled_from([0.0, -3.7, 1683.35, 2_457_000.5])) + places * step + wobble
    if draw(st.integers(0, 3)) == 0:
        one, other = random.integers(len(times), size=2)
        times[[one, other]] = times[[other, one]]
    return times


SOME_TIMES = rasters() | st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=30).map(np.array)


@settings(max_examples=200, deadline=None)
@given(SOME_TIMES, st.sampled_from([1, 2, 7, 64, 4000]), st.floats(0.2, 5))
def test_the_sums_of_a_raster_are_the_same_by_the_kernel_and_by_numpy(
    times: FloatArray, lanes: int, factor: float
) -> None:
    coarse = factor * float(np.median(np.abs(np.diff(times / 2)))) or 1.0
    plain, compiled = np.zeros((2, 4, min(lanes, len(times))))
    with np.errstate(all="ignore"):
        arrays.add_lanes(times, coarse, 3.0, float(times[len(times) // 2]), plain)
    raster_kernel.add_lanes(times, coarse, 3.0, float(times[len(times) // 2]), compiled)
    assert np.array_equal(plain, compiled, equal_nan=True)


@settings(max_examples=200, deadline=None)
@given(rasters(), st.sampled_from([1e-4, 1e-3, 0.0, 1.0]), st.sampled_from([1.0, 0.5, 1.001, 1.7]))
def test_the_grid_points_with_a_sample_are_the_same_by_the_kernel_and_by_numpy(
    times: FloatArray, tolerance: float, factor: float
) -> None:
    step = factor * float(np.ptp(times) / len(times)) or 1.0
    if times[-1] <= times[0]:
        times = times[::-1]
    count, points, _ = arrays.place_on_grid(times, step, tolerance)
    present = arrays.find_present_points(times, step, tolerance)
    assert len(present) == count
    assert np.flatnonzero(present).tolist() == points.tolist()


def test_a_sample_at_the_very_limit_is_near_its_grid_point() -> None:
    present = np.zeros(5, np.bool_)
    raster_kernel.mark_points(np.array([0.0, 1.25, 1.75, 3.5, 4.0]), 1.0, 0.25, present)
    assert present.tolist() == [True, True, True, False, True]


@pytest.mark.slow
def test_a_curve_is_verified_to_the_same_bits_before_and_after_kernels_are_loaded() -> None:
    code = (
        "import sys\n"
        "import numpy as np\n"
        "from eas.lightcurve import LightCurve\n"
        "from eas.lightcurve.kernels import load_kernels\n"
        "random = np.random.default_rng(5)\n"
        "times = 2457000 + np.arange(50_000) * (25 / 86400) + random.normal(0, 3e-5, 50_000)\n"
        "curve = LightCurve(np.delete(times, slice(100, 9900, 100)), np.ones(49_902))\n"
        "def verify():\n"
        "    print(curve.sampling_interval().hex(), hash(curve.missing_grid_points().tobytes()))\n"
        "verify()\n"
        "assert 'numba' not in sys.modules\n"
        "load_kernels()\n"
        "verify()\n"
    )
    plain, compiled = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert plain == compiled
