"""Names of time systems, and what must be added to their times to get a Julian date."""

from __future__ import annotations

import re

from shared.lightcurve.arrays import FloatArray

#: Times count from an arbitrary zero, as in synthetic curves.
RELATIVE = "relative"
#: The file does not say, and the numbers allow several answers.
UNKNOWN = "unknown"

#: Time system to its zero point as a Julian date [d]. "JD" is a Julian date whose frame and scale nobody stated.
ZERO_POINTS = {"BTJD": 2457000.0, "BKJD": 2454833.0, "BJD_TDB": 0.0, "BJD": 0.0, "JD": 0.0}

_JULIAN_DATES = (2_400_000.0, 2_500_000.0)


def system_of_zero_point(zero_point: float) -> str:
    """Name the system whose zero point is this Julian date; "BJD - <number>" where it has no name."""
    names = {2457000.0: "BTJD", 2454833.0: "BKJD", 0.0: "BJD_TDB"}
    return names.get(zero_point, f"BJD - {zero_point:.10g}")


def system_of_label(label: str) -> str | None:
    """Recognise the time system in a column name such as ``BJD_TDB``, ``time [BKJD]`` or ``BJD - 2457000``.

    Returns
    -------
    str or None
        None where the label names none.
    """
    text = label.upper()
    if match := re.search(r"BJD[A-Z_ ()\]]*-\s*(24\d{5}(?:\.\d+)?)", text):
        return system_of_zero_point(float(match[1]))
    words = re.findall(r"[A-Z]+(?:_[A-Z]+)*", text)
    return next((name for name in ("BTJD", "BKJD", "BJD_TDB", "BJD", "JD") if name in words), None)


def guess_time_system(times: FloatArray) -> str:
    """Guess from the magnitude of the times: a full Julian date is unmistakable, anything smaller is "unknown".

    Days 100 to 4000 are both BKJD and BTJD, so they decide nothing.
    """
    low, high = _JULIAN_DATES
    if len(times) and low < times.min() and times.max() < high:
        return "JD"
    return UNKNOWN
