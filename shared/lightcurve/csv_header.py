"""Which column of a CSV light curve is what: by its header if it has one, else by position."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from shared.lightcurve.errors import LightCurveError
from shared.lightcurve.time_systems import system_of_label

_FLUX = ("flux", "pdcsap_flux", "sap_flux", "normalised_flux", "normalized_flux", "relative_flux", "f")
_UNCERTAINTY = (
    *("flux_err", "flux_error", "flux_uncertainty", "pdcsap_flux_err", "sap_flux_err"),
    *("uncertainty", "error", "err", "e_flux", "sigma"),
)
_FLAG = ("flag", "flags", "quality", "sap_quality", "bad")
_TIME = ("time", "times", "t", "date", "btjd", "bkjd", "bjd", "bjd_tdb", "jd", "days")


@dataclass(frozen=True)
class Columns:
    """Where the quantities of a CSV file stand; indices from 0, None where absent."""

    delimiter: str | None
    time: int = 0
    flux: int = 1
    uncertainty: int | None = None
    flag: int | None = None
    skip: int = 0
    time_system: str | None = None

    def used(self) -> dict[str, int]:
        """Name the columns that are there."""
        places = {"time": self.time, "flux": self.flux, "uncertainty": self.uncertainty, "flag": self.flag}
        return {name: place for name, place in places.items() if place is not None}


def read_columns(lines: Iterable[str], filename: str) -> Columns:
    """Find the header among the first lines: words before the first row of numbers, commented out or not.

    Raises
    ------
    LightCurveError
        There is no row of numbers, the header names no flux, or there is no header and the columns are not
        time, flux[, uncertainty].
    """
    header: str | None = None
    skip = 0
    for number, line in enumerate(lines):
        text = line.strip()
        if text.startswith("#"):
            content = text.lstrip("# ")
            header = content if split_cells(content, find_delimiter(content))[1:] and has_words(content) else header
        elif text and has_words(text):
            if header is not None and skip:
                raise LightCurveError(f"{filename}, line {number + 1}: expected numbers, found {text[:60]!r}")
            header, skip = text, number + 1
        elif text:
            delimiter = find_delimiter(text)
            if header is not None:
                return _from_header(split_cells(header, find_delimiter(header)), delimiter, skip, filename)
            return _by_position(len(split_cells(text, delimiter)), delimiter, filename)
    raise LightCurveError(f"{filename}: there is no sample in the file")


def find_delimiter(text: str) -> str | None:
    """Return comma, semicolon or tab, whichever the line holds; None (blanks) otherwise."""
    return next((mark for mark in ",;\t" if mark in text), None)


def split_cells(text: str, delimiter: str | None) -> list[str]:
    """Split a line into its cells, blanks around them removed."""
    return [cell.strip() for cell in text.split(delimiter)]


def has_words(text: str) -> bool:
    """Tell whether the first cell of a line is something else than a number (an empty cell counts as a number)."""
    first = split_cells(text, find_delimiter(text))[0]
    return bool(first) and parse_number(first) is None


def parse_number(text: str) -> float | None:
    """Parse a number; None if it is none."""
    try:
        return float(text)
    except ValueError:
        return None


def _from_header(names: list[str], delimiter: str | None, skip: int, filename: str) -> Columns:
    plain = [re.sub(r"\W*[\[(].*", "", name.lower()).strip(" \"'") for name in names]
    flux = _find(plain, _FLUX)
    if flux is None:
        raise LightCurveError(f"{filename}: the header {', '.join(names)} names no flux column ({', '.join(_FLUX)})")
    time = _find(plain, _TIME)
    if time is None:
        time = next((index for index, name in enumerate(names) if system_of_label(name)), None)
    if time is None:
        raise LightCurveError(f"{filename}: the header {', '.join(names)} names no time column ({', '.join(_TIME)})")
    return Columns(
        delimiter,
        time=time,
        flux=flux,
        uncertainty=_find(plain, _UNCERTAINTY),
        flag=_find(plain, _FLAG),
        skip=skip,
        time_system=system_of_label(names[time]),
    )


def _find(names: list[str], accepted: tuple[str, ...]) -> int | None:
    """Return the place of the first accepted name, in the order of preference."""
    return next((names.index(name) for name in accepted if name in names), None)


def _by_position(count: int, delimiter: str | None, filename: str) -> Columns:
    match count:
        case 2:
            return Columns(delimiter)
        case 3:
            return Columns(delimiter, uncertainty=2)
        case _:
            raise LightCurveError(
                f"{filename}: {count} columns without a header; expected time, flux[, uncertainty], or a header line"
            )
