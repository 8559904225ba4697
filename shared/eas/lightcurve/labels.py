"""What the label of a column says: its name, its unit, and the time system if it names one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from eas.lightcurve.reading_options import FluxUnit
from eas.lightcurve.time_systems import system_of_label

#: Days in one of each unit of time.
DAYS_PER_UNIT: dict[str, float] = {
    **dict.fromkeys(("d", "day", "days", "jd"), 1.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 1 / 24),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 1 / 1440),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1 / 86400),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1 / 86400e3),
    **dict.fromkeys(("ks", "kilosecond", "kiloseconds"), 1000 / 86400),
    **dict.fromkeys(("wk", "week", "weeks"), 7.0),
    **dict.fromkeys(("a", "yr", "yrs", "year", "years"), 365.25),
}

_FLUX_UNITS: dict[str, FluxUnit] = {
    "ppm": "ppm",
    "ppt": "ppt",
    "percent": "percent",
    "per cent": "percent",
    "%": "percent",
    "pct": "percent",
    **dict.fromkeys(("mag", "mags", "magnitude", "magnitudes", "[mag]"), "mag"),
}
#: Magnitudes in other sizes: no setting converts them.
MAGNITUDE_UNITS = {"mag": 1.0, "mmag": 1e-3, "millimag": 1e-3}

_BRACKETS = re.compile(r"^(.+?)\s*[\[({]\s*(.*?)\s*[\])}]+\s*(.*)$")
_SLASH = re.compile(r"^([A-Za-z_ ]*[A-Za-z_])\s*/\s*([A-Za-z%][A-Za-z%/^0-9 -]*)$")
_SUFFIX = re.compile(
    r"^(?P<base>time|times|t|tmid|time_(?:bjd|bkjd|btjd)|(?:\w+_)?flux\w*|d?f)_"
    r"(?P<unit>s|secs?|seconds?|d|days?|h|hrs?|hours?|mins?|minutes?|ppm|ppt|percent|pct|mags?|mmag)$"
)
_CLOCK_WORDS = frozenset(DAYS_PER_UNIT)


@dataclass(frozen=True)
class Label:
    """A column's label.

    Parameters
    ----------
    name
        As the file spells it, without the unit.
    key
        The name in lower case, words joined by underscores.
    unit
        As the file spells it; None where it states none.
    """

    name: str
    key: str
    unit: str | None = None

    @property
    def time_system(self) -> str | None:
        """The time system that the name or the unit states."""
        both = f"{self.name} {self.unit}" if self.unit else self.name
        return system_of_label(both) or system_of_label(self.unit or "")

    @property
    def days_per_unit(self) -> float | None:
        """Length of the unit of time [d]; None where none is stated or it is not known."""
        return find_days_per_unit(self.unit)

    @property
    def flux_unit(self) -> FluxUnit | None:
        """The unit of flux, if it is one that is converted."""
        if self.unit is None:
            return None
        found = _FLUX_UNITS.get(self.unit.lower().strip())
        if found is None and self.unit.lower().strip() in MAGNITUDE_UNITS:
            return "mag"
        return found


def parse_label(text: str, unit: str | None = None) -> Label:
    """Take a label apart: ``time [BTJD]``, ``flux(mJy)``, ``time / d``, ``time_s``.

    Parameters
    ----------
    text
        The label as it stands in the file.
    unit
        What the file says about the unit elsewhere; it wins.
    """
    name = text.strip().strip("\"'` \u00a0").strip()
    found: str | None = None
    if match := _BRACKETS.match(name):
        name, found = f"{match[1]} {match[3]}".strip(), match[2]
    elif (match := _SLASH.match(name)) and (_is_unit(match[2])):
        name, found = match[1].strip(), match[2].strip()
    key = re.sub(r"\W+", "_", name.lower()).strip("_")
    if found is None and (match := _SUFFIX.match(key)):
        key, found = match["base"], match["unit"]
    if found is None and key in _CLOCK_WORDS and len(key) > 1:
        found = key
    stated = (unit or "").strip() or (found or "").strip()
    return Label(name, key, stated or None)


def find_days_per_unit(unit: str | None) -> float | None:
    """Find the length of a unit of time [d] in a text such as ``s``, ``days`` or ``BJD - 2457000, days``."""
    if unit is None:
        return None
    words = re.findall(r"[a-z]+", unit.lower())
    return next((DAYS_PER_UNIT[word] for word in words if word in DAYS_PER_UNIT), None)


def is_unit_of_time(text: str) -> bool:
    """Tell whether a text is nothing but a unit of time, perhaps in brackets."""
    return text.strip().strip("[](){} ").lower() in DAYS_PER_UNIT


def _is_unit(text: str) -> bool:
    return text.strip().lower() in {*DAYS_PER_UNIT, *_FLUX_UNITS, "e-", "electron", "adu", "counts", "mjy", "jy"}
