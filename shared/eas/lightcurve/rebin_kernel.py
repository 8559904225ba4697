"""Flux-conserving rebinning as one walk along both rasters, compiled. Importing this module imports numba."""

from __future__ import annotations

import numpy as np

from eas.lightcurve.arrays import BoolArray, FloatArray
from eas.lightcurve.compiled import compiled

Means = tuple[FloatArray, FloatArray, FloatArray]


@compiled
def walk(
    fluxes: FloatArray,
    uncertainties: FloatArray,
    use: BoolArray,
    source_left: FloatArray,
    source_right: FloatArray,
    target_left: FloatArray,
    target_right: FloatArray,
) -> Means:
    """Average the used pixels onto others, weighted by overlap: means, their uncertainties, sums of the weights."""
    count = len(target_left)
    means, errors, covered = np.empty(count), np.empty(count), np.zeros(count)
    first = 0
    for target in range(count):
        left, right = target_left[target], target_right[target]
        while first < len(source_left) and source_right[first] <= left:
            first += 1
        total, flux, variance = 0.0, 0.0, 0.0
        place = first
        while place < len(source_left) and source_left[place] < right:
            weight = min(source_right[place], right) - max(source_left[place], left)
            if weight > 0 and use[place]:
                total += weight
                flux += weight * fluxes[place]
                variance += (weight * uncertainties[place]) ** 2
            place += 1
        covered[target] = total
        means[target] = flux / total if total > 0 else np.nan
        errors[target] = np.sqrt(variance) / total if total > 0 else np.nan
    return means, errors, covered


def load_kernels() -> None:
    """Compile the kernel, or load it from where it is kept."""
    edges = np.array([0.0, 1.0, 2.0])
    walk(edges[:2], edges[:2], edges[:2] > 0, edges[:2], edges[1:], edges[:2], edges[1:])
