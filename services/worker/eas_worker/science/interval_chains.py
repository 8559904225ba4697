"""The kernels of QATS: the best chain of transits whose intervals are bounded (Carter & Agol 2013, section 3).

Written from the paper. `boxes[n]` is the sum of the (inverted, normalised) fluxes of a transit whose first sample is n.
With F[1, n] = boxes[n] and F[m, n] = boxes[n] + max F[m - 1, i] over the i from n - longest to n - shortest, the best
chain of M transits has the sum max F[M, n]. No transit may be missing before the first, in between, or after the last.
For a given m only a band of n can be reached, and only the band is computed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eas.lightcurve.compiled import compiled

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@compiled
def extend_chains(
    boxes: FloatArray, before: FloatArray, low: int, high: int, shortest: int, longest: int, after: FloatArray
) -> tuple[int, int]:
    """Add one transit to the best chains.

    Parameters
    ----------
    boxes
        Sum of the samples of a transit at each position.
    before, low, high
        Sums of the best chains that end at `low` to `high`.
    shortest, longest
        Interval between transits [samples].
    after
        Gets the sums of the longer chains.

    Returns
    -------
    tuple of int
        First and last position that the longer chains end at; the last is below the first if there is none.
    """
    first, last = low + shortest, min(high + longest, boxes.size - 1)
    if longest - shortest < 8:
        for n in range(first, last + 1):
            best = -np.inf
            for i in range(max(low, n - longest), min(high, n - shortest) + 1):
                best = max(best, before[i])
            after[n] = boxes[n] + best
        return first, last
    # The maximum of a sliding window: candidates in falling order, the front one is the greatest.
    queue = np.empty(high - low + 1, np.int64)
    front, back, following = 0, 0, low
    for n in range(first, last + 1):
        while following <= min(high, n - shortest):
            while back > front and before[queue[back - 1]] <= before[following]:
                back -= 1
            queue[back] = following
            back += 1
            following += 1
        while queue[front] < n - longest:
            front += 1
        after[n] = boxes[n] + before[queue[front]]
    return first, last


@compiled
def best_chain(
    boxes: FloatArray, shortest: int, longest: int, fewest: int, one: FloatArray, other: FloatArray
) -> tuple[float, int]:
    """Find the greatest sum / sqrt(number of transits) of any chain, and that number (0 if no chain fits).

    `one` and `other` are room to work in, of the shape of `boxes`.
    """
    best, best_count = -np.inf, 0
    low, high = 0, min(longest, boxes.size) - 1
    one[: high + 1] = boxes[: high + 1]
    count = 1
    while low <= high:
        if count >= fewest:
            for n in range(max(low, boxes.size - longest), high + 1):
                if one[n] > best * np.sqrt(count):
                    best, best_count = one[n] / np.sqrt(count), count
        low, high = extend_chains(boxes, one, low, high, shortest, longest, other)
        one, other = other, one
        count += 1
    return best, best_count


@compiled
def scan_intervals(boxes: FloatArray, shortest: IntArray, longest: IntArray, fewest: int, sums: FloatArray) -> None:
    """Write `best_chain` of each pair of bounds into `sums`; minus infinity where no chain fits."""
    one, other = np.empty_like(boxes), np.empty_like(boxes)
    for k in range(shortest.size):
        sums[k], _ = best_chain(boxes, shortest[k], longest[k], fewest, one, other)


@compiled
def trace_chain(boxes: FloatArray, shortest: int, longest: int, count: int) -> IntArray:
    """Find the positions of the best chain of `count` transits by going back from its end."""
    lows, highs = np.empty(count, np.int64), np.empty(count, np.int64)
    low, high, room = 0, min(longest, boxes.size) - 1, 0
    for m in range(count):
        lows[m], highs[m] = low, high
        room += high - low + 1
        low, high = low + shortest, min(high + longest, boxes.size - 1)
    sums, offsets = np.empty(room), np.empty(count, np.int64)  # the bands, one after another
    one, other = np.empty_like(boxes), np.empty_like(boxes)
    one[: highs[0] + 1] = boxes[: highs[0] + 1]
    room = 0
    for m in range(count):
        offsets[m] = room - lows[m]
        sums[room : room + highs[m] - lows[m] + 1] = one[lows[m] : highs[m] + 1]
        room += highs[m] - lows[m] + 1
        if m < count - 1:
            extend_chains(boxes, one, lows[m], highs[m], shortest, longest, other)
            one, other = other, one
    positions = np.empty(count, np.int64)
    start, end = max(lows[-1], boxes.size - longest), highs[-1]
    for m in range(count - 1, -1, -1):
        best = start
        for n in range(start, end + 1):
            if sums[offsets[m] + n] > sums[offsets[m] + best]:
                best = n
        positions[m] = best
        if m > 0:
            start, end = max(lows[m - 1], best - longest), min(highs[m - 1], best - shortest)
    return positions
