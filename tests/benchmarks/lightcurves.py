"""How fast a light curve of two years at 25 s is read, written, verified and resampled, beside plain ways to do it."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from scipy.interpolate import interp1d

from eas.lightcurve import FixedStepLightCurve, LightCurve, read_light_curve, resample, write_light_curve
from eas.lightcurve.arrays import FloatArray
from eas.lightcurve.kernels import load_kernels
from tests.benchmarks.figures import Figure

SAMPLES = 2_522_880
STEP = 25 / 86400
ROUNDS = 5
#: The slowest loop walks along one in so many samples.
PART = 20


def measure_light_curves() -> dict[str, Figure]:
    """Measure the processor's time, as other work on the machine only waits; the best of several rounds counts."""
    load_kernels()
    random = np.random.default_rng(1)
    fixed = FixedStepLightCurve(0.0, STEP, 1 + 1e-4 * random.standard_normal(SAMPLES))
    flags = random.random(SAMPLES) < 0.01
    free = LightCurve(fixed.times, fixed.fluxes, uncertainties=np.full(SAMPLES, 1e-4), flags=flags)
    raster = np.arange(0.01, SAMPLES * STEP - 0.01, 900 / 86400)
    with tempfile.TemporaryDirectory(prefix="eas-bench-") as folder:
        binary, text = Path(folder) / "curve.npz", Path(folder) / "curve.txt"
        write_light_curve(free, binary)
        writing = _best(lambda: write_light_curve(free, text))
        size = text.stat().st_size / 1e6
        reading = _best(lambda: read_light_curve(text))
        binary_reading = _best(lambda: read_light_curve(binary))
    verifying = _best(free.check_fixed_step)
    walking = _best(lambda: _count_missing(free.times, partial(math.isclose, rel_tol=0, abs_tol=1e-4)), rounds=2)
    part = free.times[: SAMPLES // PART]
    walking_by_numpy = _best(lambda: _count_missing(part, partial(np.isclose, rtol=0, atol=1e-4)), rounds=1) * PART
    resampling = _best(lambda: resample(free, raster))
    naive = _best(lambda: _resample_naively(free, raster))
    return {
        "curve_read_binary_ms": Figure(binary_reading * 1e3, "ms", f"{SAMPLES} samples with times, errors and flags"),
        "curve_read_text_mb_per_s": Figure(size / reading, "MB/s", f"{size:.0f} MB of four columns"),
        "curve_write_text_mb_per_s": Figure(size / writing, "MB/s"),
        "curve_verify_ms": Figure(verifying * 1e3, "ms", "sampling interval found, missing samples counted"),
        "curve_verify_ratio": Figure(
            walking / verifying, "", f"times as fast as a loop with math.isclose, {walking:.2f} s"
        ),
        "curve_verify_numpy_ratio": Figure(
            walking_by_numpy / verifying,
            "",
            f"times as fast as a loop with numpy.isclose, {walking_by_numpy:.0f} s (from 1/{PART} of the samples)",
        ),
        "curve_resample_ms": Figure(resampling * 1e3, "ms", f"to 900 s; without errors and gaps {naive * 1e3:.0f} ms"),
        "curve_resample_ratio": Figure(naive / resampling, "", "times as fast as cumulative sums and interp1d"),
    }


def _best(action: Callable[[], object], rounds: int = ROUNDS) -> float:
    times = []
    for _ in range(rounds):
        begin = time.process_time()
        action()
        times.append(time.process_time() - begin)
    return min(times)


def _count_missing(times: FloatArray, is_close: Callable[[float, float], object]) -> int:
    """Do what the original does: walk along the grid that is expected, and through the samples beside it.

    The step is the mean of the sorted spacings from rank n/4 to rank 3n/4; a grid point is missing if no sample is
    within 1e-4 d of it. By what the original compares two times is not known, so both likely ways are measured.
    """
    spacings = np.sort(np.diff(times))
    step = spacings[int(0.25 * len(spacings)) : int(0.75 * len(spacings))].mean()
    missing, place, point, expected = 0, 0, 0, times[0]
    while expected <= times[-1]:
        while place < len(times) - 1 and times[place] < expected - 1e-4:
            place += 1
        if not is_close(times[place], expected):
            missing += 1
        point += 1
        expected = times[0] + point * step
    return missing


def _resample_naively(curve: LightCurve, raster: FloatArray) -> list[FloatArray]:
    """Interpolate cumulative integrals of fluxes, errors and flags, which knows no gaps and no bad samples."""
    edges, targets = _edges(curve.times), _edges(raster)
    found = []
    for values in (curve.fluxes, curve.uncertainties, curve.flags.astype(float)):
        integral = np.concatenate(([0.0], np.cumsum(values * np.diff(edges))))
        line = interp1d(edges, integral, bounds_error=False, fill_value=(0.0, integral[-1]))
        found.append(np.diff(line(targets)) / np.diff(targets))
    return found


def _edges(times: FloatArray) -> FloatArray:
    middle = 0.5 * (times[1:] + times[:-1])
    return np.concatenate(([1.5 * times[0] - 0.5 * times[1]], middle, [1.5 * times[-1] - 0.5 * times[-2]]))
