"""Light curves for the examples with which task types are tried."""

from __future__ import annotations

from pathlib import Path

from eas.contracts.metadata import Metadata

#: Of the example: days, samples a day, period [d], first transit [d], duration [d], depth, noise of a sample.
DURATION, PER_DAY, PERIOD, EPOCH, TRANSIT, DEPTH, NOISE = 27.0, 48, 3.0, 1.0, 0.2, 0.01, 0.0005


def make_example_light_curve(path: Path) -> Metadata:
    """Write 27 days at half an hour, with white noise and nine transits of 1 %, always the same.

    The metadata are those that a synthetic curve has, so that a search can tell whether it found the planet.
    """
    import numpy as np

    from eas.lightcurve import FixedStepLightCurve, write_light_curve

    times = np.arange(int(DURATION * PER_DAY)) / PER_DAY
    phase = np.abs((times - EPOCH + PERIOD / 2) % PERIOD - PERIOD / 2)
    inside = phase < TRANSIT / 2
    fluxes = 1 - DEPTH * inside + np.random.default_rng(0).normal(0, NOISE, len(times))
    metadata: Metadata = {
        "orbital_period": PERIOD,
        "t0": EPOCH,
        "injected_depth": DEPTH,
        "integrated_transit_power": float(DEPTH * inside.sum()),
        "pixels_in_transit": int(inside.sum()),
        "pixels_out_of_transit": int((~inside).sum()),
    }
    write_light_curve(FixedStepLightCurve(0.0, 1 / PER_DAY, fluxes, metadata=metadata), path)
    return metadata
