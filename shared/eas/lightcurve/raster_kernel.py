"""Walks along the times of a light curve, compiled. Importing this module imports numba."""

from __future__ import annotations

import numpy as np

from eas.lightcurve.arrays import BoolArray, FloatArray
from eas.lightcurve.compiled import compiled

#: Samples that are looked at before any of them is marked.
_ROW = 1000

#: Up to here whole numbers are exact, however they are added up.
_MOST_PLACES = 2.0**52


@compiled
def add_lanes(times: FloatArray, coarse: float, place: float, middle: float, lanes: FloatArray) -> None:
    """Add up as `arrays.add_lanes` does: the same numbers in the same order, without the divisions that give 1."""
    size = lanes.shape[1]
    places = np.empty(size)
    near = 0.25 * coarse
    here, before = 0.0, times[0]
    for start in range(0, len(times), size):
        row = times[start : start + size]
        odd = int(not abs((row[0] - before) - coarse) < near)
        for lane in range(1, len(row)):
            odd += not abs((row[lane] - row[lane - 1]) - coarse) < near
        if odd == 0 and abs(here) < _MOST_PLACES:
            for lane in range(len(row)):
                places[lane] = here + (lane + 1)
        else:
            for lane in range(len(row)):
                step = row[lane] - before
                here += 1.0 if abs(step - coarse) < near else np.rint(step / coarse)
                places[lane] = here
                before = row[lane]
        here, before = places[len(row) - 1], row[len(row) - 1]
        for lane in range(len(row)):
            x, y = places[lane] - place, row[lane] - middle
            lanes[0, lane] += x
            lanes[1, lane] += y
            lanes[2, lane] += x * x
            lanes[3, lane] += x * y


@compiled
def mark_points(times: FloatArray, step: float, allowed: float, present: BoolArray) -> None:
    """Mark the grid points that have a sample, as `arrays.find_present_points` does; rows without gaps at once."""
    first, expected = times[0], 0.0
    points = np.empty(_ROW)
    for start in range(0, len(times), _ROW):
        row = times[start : start + _ROW]
        odd = 0
        for sample in range(len(row)):
            nearest = np.rint((row[sample] - first) / step)
            distance = abs(row[sample] - (first + nearest * step))
            usable = distance <= allowed and nearest >= 0 and nearest < len(present)
            points[sample] = nearest if usable else -1.0
            odd += points[sample] != expected + sample
        if odd == 0:
            present[int(expected) : int(expected) + len(row)] = True
        else:
            for sample in range(len(row)):
                if points[sample] >= 0:
                    present[int(points[sample])] = True
        expected = points[len(row) - 1] + 1


def load_kernels() -> None:
    """Compile the kernels, or load them from where they are kept."""
    times = np.array([0.0, 1.0])
    add_lanes(times, 1.0, 1.0, 1.0, np.zeros((4, 2)))
    mark_points(times, 1.0, 1e-4, np.zeros(2, np.bool_))
