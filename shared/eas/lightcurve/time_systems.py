"""Names of time systems, and what must be added to their times to get a Julian date."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np

from eas.lightcurve.arrays import FloatArray

#: Times count from an arbitrary zero, as in synthetic curves.
RELATIVE = "relative"
#: The file does not say, and the numbers allow several answers.
UNKNOWN = "unknown"

#: Julian dates are barycentric, heliocentric, or of a frame that nobody stated.
Frame = Literal["BJD", "HJD", "JD"]

#: A modified Julian date counts from this Julian date [d].
MODIFIED = 2_400_000.5

#: Time system to its zero point as a Julian date [d]. "JD" is a Julian date whose frame and scale nobody stated.
ZERO_POINTS = {"BTJD": 2457000.0, "BKJD": 2454833.0, "BJD_TDB": 0.0, "BJD": 0.0, "HJD": 0.0, "JD": 0.0, "MJD": MODIFIED}

#: Julian dates of photometry: the years 1887 to 2132 [d].
_JULIAN_DATES = (2_410_000.0, 2_500_000.0)

_WORDS = {
    "BTJD": "BTJD",
    "TBJD": "BTJD",
    "BKJD": "BKJD",
    "KBJD": "BKJD",
    "BJDTDB": "BJD_TDB",
    "BMJD": f"BJD - {MODIFIED}",
    "BMJDTDB": f"BJD - {MODIFIED}",
    "BJD": "BJD",
    "HJD": "HJD",
    "MJD": "MJD",
    "RJD": "JD - 2400000",
    "JD": "JD",
}
_NUMBER = r"(2\s?4\d{2}\s?\d{3}(?:\.\d+)?)"
_OFFSETS = (
    re.compile(rf"[-\u2212\u2013_]\s*{_NUMBER}"),
    re.compile(rf"{_NUMBER}\s*\+"),
    re.compile(rf"\+\s*{_NUMBER}"),
)


def system_of_zero_point(zero_point: float, frame: Frame = "BJD") -> str:
    """Name the system whose zero point is this Julian date; "BJD - <number>" and so on where it has no name."""
    names = {
        "BJD": {2457000.0: "BTJD", 2454833.0: "BKJD", 0.0: "BJD_TDB"},
        "HJD": {0.0: "HJD"},
        "JD": {0.0: "JD", MODIFIED: "MJD"},
    }
    return names[frame].get(zero_point, f"{frame} - {zero_point:.10g}")


def zero_point_of(system: str) -> float | None:
    """Return the zero point of a time system as a Julian date [d]; None where it has none."""
    if (known := ZERO_POINTS.get(system)) is not None:
        return known
    match = re.fullmatch(r"(?:BJD|HJD|JD) - (\d+(?:\.\d+)?)", system)
    return float(match[1]) if match else None


def system_of_label(label: str) -> str | None:
    """Recognise the time system in a column name or unit: ``BJD_TDB``, ``time [BKJD]``, ``HJD - 2450000``.

    Returns
    -------
    str or None
        None where the label names none.
    """
    text = label.upper()
    words = re.findall(r"[A-Z]+", text)
    named = next((_WORDS[word] for word in words if word in _WORDS), None)
    offset = next((match[1] for form in _OFFSETS if (match := form.search(text))), None)
    if offset is not None and (named in ("BJD", "HJD", "JD") or (named is None and words[:1] in (["TIME"], ["T"]))):
        zero_point = float(offset.replace(" ", ""))
        frame: Frame = "HJD" if named == "HJD" else "JD" if named == "JD" else "BJD"
        return system_of_zero_point(zero_point, frame)
    return "BJD_TDB" if named == "BJD" and "TDB" in words else named


def standard_name(system: str) -> str:
    """Spell a known time system as it is spelt here, whatever the case; others are left as they are."""
    names = {name.upper(): name for name in (*ZERO_POINTS, RELATIVE, UNKNOWN)}
    return names.get(system.strip().upper(), system)


def guess_time_system(times: FloatArray) -> str:
    """Guess from the magnitude of the times: a full Julian date is unmistakable, anything smaller is "unknown".

    Days 100 to 4000 are both BKJD and BTJD, so they decide nothing.
    """
    return "JD" if are_julian_dates(times) else UNKNOWN


def are_julian_dates(times: FloatArray) -> bool:
    """Tell whether all times are full Julian dates; False for none."""
    low, high = _JULIAN_DATES
    return bool(len(times)) and bool(low < times.min()) and bool(times.max() < high)


def reconcile(system: str, times: FloatArray) -> str:
    """Compare a stated time system with the times themselves.

    Returns
    -------
    str
        The system, if the times fit it. If they are full Julian dates although the system counts from another zero:
        the system of full dates. Else "unknown".
    """
    zero_point = zero_point_of(system)
    if zero_point is None or not len(times) or are_julian_dates(times + zero_point):
        return system
    if not are_julian_dates(times):
        return UNKNOWN
    if system in ("BTJD", "BKJD"):
        return "BJD_TDB"
    return system.partition(" ")[0] if " - " in system else "JD"


def typical_spacing(times: FloatArray) -> float:
    """Return the median spacing of the different times among the first 10,000; NaN for fewer than three."""
    spacings = np.diff(np.unique(times[:10_000]))
    return float(np.median(spacings)) if len(spacings) > 1 else float("nan")
