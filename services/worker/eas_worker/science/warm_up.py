"""Compile all numerical kernels once, so that no task waits for it: ``python -m eas_worker.science.warm_up``.

The compiled kernels are kept beside their libraries, or in ``NUMBA_CACHE_DIR``. Part of setting up, and of building
images.
"""

from __future__ import annotations

import numpy as np

from eas.lightcurve import LightCurve
from eas_worker.science import preloading
from eas_worker.science.detrending import Flattening, detrend


def warm_up() -> None:
    """Load the science and detrend a curve that is no one's."""
    preloading.load_science()
    times = np.arange(0.0, 5.0, 0.01)
    detrend(LightCurve(times, 1.0 + 1e-4 * np.sin(times)), Flattening())


if __name__ == "__main__":
    warm_up()
