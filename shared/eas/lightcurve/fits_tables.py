"""Tables in FITS files: which HDU holds the light curve, the values of its columns, and what its times count from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from eas.lightcurve.arrays import FloatArray
from eas.lightcurve.columns import find_flux, find_time
from eas.lightcurve.errors import LightCurveError
from eas.lightcurve.labels import Label, parse_label
from eas.lightcurve.reading_options import ReadingOptions
from eas.lightcurve.time_systems import MODIFIED, Frame, system_of_zero_point

if TYPE_CHECKING:
    from astropy.io.fits import BinTableHDU, Header

#: Names of HDUs that pipelines give to the light curve; the first one that is there is taken.
_PREFERRED = ("LIGHTCURVE", "BESTAPER", "ARRAYS", "LIGHT_CURVE", "LC", "LIGHTCURVES")
_REFERENCES: tuple[tuple[str, Frame, float], ...] = (
    ("BJDREF", "BJD", 0.0),
    ("HJDREF", "HJD", 0.0),
    ("JDREF", "JD", 0.0),
    ("MJDREF", "JD", MODIFIED),
)
#: Zero points that are those of a mission, whose times are barycentric [d].
_MISSION_ZERO_POINTS = {2457000.0: "tess", 2454833.0: "kepler"}


def choose_table(hdus: Sequence[Any], options: ReadingOptions, filename: str) -> BinTableHDU:
    """Choose the HDU with the light curve.

    Parameters
    ----------
    hdus
        All HDUs of the file.
    options
        Their `hdu` decides if it is set.
    filename
        For messages.

    Raises
    ------
    LightCurveError
        No table has columns of time and flux, several have and none has a name that decides, or the one that was
        asked for is not there.
    """
    tables = [hdu for hdu in hdus[1:] if getattr(hdu, "columns", None) is not None]
    names = ", ".join(hdu.name or f"(nameless, {place})" for place, hdu in enumerate(hdus))
    if options.hdu is not None:
        return _find_asked(
            hdus, tables, options.hdu, f"{filename}: there is no table HDU {options.hdu!r}; there are {names}"
        )
    for name in _PREFERRED:
        if named := [hdu for hdu in tables if hdu.name == name]:
            return named[0]
    fitting = [hdu for hdu in tables if _has_light_curve(hdu, options)]
    if len(fitting) == 1 or (not fitting and len(tables) == 1):
        return (fitting or tables)[0]
    if not fitting:
        raise LightCurveError(
            f"{filename}: none of its {len(tables)} tables has columns of time and flux; the HDUs are {names}."
            " The settings hdu, time_column and flux_column name others"
        )
    several = ", ".join(hdu.name or str(list(hdus).index(hdu)) for hdu in fitting)
    raise LightCurveError(f"{filename}: several HDUs hold a light curve: {several}; the setting hdu decides")


def _find_asked(hdus: Sequence[Any], tables: list[Any], wanted: str | int, message: str) -> Any:
    if isinstance(wanted, int) or wanted.isdigit():
        place = int(wanted)
        found = [hdus[place]] if place < len(hdus) and any(hdus[place] is table for table in tables) else []
    else:
        found = [hdu for hdu in tables if hdu.name.upper() == wanted.strip().upper()]
    if not found:
        raise LightCurveError(message)
    return found[0]


def _has_light_curve(hdu: Any, options: ReadingOptions) -> bool:
    labels = find_labels(hdu)
    try:
        find_time(labels, options, "")
        find_flux(labels, options, "")
    except LightCurveError as error:
        return "several columns" in str(error)
    return True


def find_labels(hdu: Any) -> list[Label]:
    """Read the names and units of all columns of a table."""
    return [parse_fits_label(str(column.name), column.unit) for column in hdu.columns]


def parse_fits_label(name: str, unit: object) -> Label:
    """Make a label of TTYPE and TUNIT."""
    return parse_label(name, str(unit) if unit else None)


def read_column(hdu: BinTableHDU, place: int, filename: str) -> FloatArray:
    """Read a column of numbers; NaN where the file has its TNULL.

    Parameters
    ----------
    hdu
        A table.
    place
        Of the column, from 0.
    filename
        For messages.

    Returns
    -------
    FloatArray
        Shape (N,). A table of one row with an array in it gives that array; times as two parts are added.

    Raises
    ------
    LightCurveError
        The column holds text or images.
    """
    column = hdu.columns[place]
    raw = _raw_values(hdu, place)
    if raw.dtype.kind in "iu" and raw.ndim >= 1:
        values = raw.astype(np.float64)
        if column.null is not None and str(column.null).strip():
            values[raw == int(column.null)] = np.nan
        values = values * float(column.bscale or 1.0) + float(column.bzero or 0.0)
    else:
        found = np.asarray(hdu.data.field(place))
        if found.dtype.kind not in "fiub":
            raise LightCurveError(f"{filename}: the column {column.name} of HDU {hdu.name!r} does not hold numbers")
        values = found.astype(np.float64)
    return _flatten(values, column, hdu, filename)


def read_flag_column(hdu: BinTableHDU, place: int, filename: str) -> FloatArray:
    """Read a column of quality, which may hold letters (G is good) as well as numbers. See `read_column`."""
    from eas.lightcurve.cells import parse_flag

    found = hdu.data.field(place)
    if np.asarray(found).dtype.kind not in "US":
        return read_column(hdu, place, filename)
    words = [word.decode("ascii", "replace") if isinstance(word, bytes) else str(word) for word in found]
    values = [parse_flag(word) for word in words]
    return np.array([1.0 if value is None else value for value in values])


def _raw_values(hdu: BinTableHDU, place: int) -> np.ndarray[Any, Any]:
    """Look at the numbers as they are stored, before TSCAL and TZERO; other columns as astropy converts them."""
    column = hdu.columns[place]
    stored = np.asarray(hdu.data).dtype
    if stored.names is None or hdu.header.get("XTENSION", "").strip() != "BINTABLE" or column.format.endswith("L"):
        return np.empty((), np.bool_)
    raw: np.ndarray[Any, Any] = np.asarray(hdu.data)[stored.names[place]]
    return raw if raw.dtype.kind in "iu" else np.empty((), np.bool_)


def _flatten(values: FloatArray, column: Any, hdu: Any, filename: str) -> FloatArray:
    if values.ndim == 1:
        return values
    if values.ndim == 2 and 1 in values.shape:
        return values.reshape(-1)
    if values.ndim == 2 and values.shape[1] == 2 and parse_label(str(column.name)).key in ("time", "date", "jd", "bjd"):
        added: FloatArray = values[:, 0] + values[:, 1]
        return added
    shape = " x ".join(str(size) for size in values.shape[1:])
    raise LightCurveError(
        f"{filename}: the column {column.name} of HDU {hdu.name or 'without a name'!r} holds {shape} values a row, so"
        " it is no light curve (a target pixel file?); the setting flux_column names another column"
    )


def find_time_system(table: Header, primary: Header, mission: str | None) -> str | None:
    """Find what the times count from: BJDREFI and BJDREFF and the like, in the table's header or the first one.

    Returns
    -------
    str or None
        The time system; None where no header says it.
    """
    for header in (table, primary):
        for keyword, frame, offset in _REFERENCES:
            value = _read_reference(header, keyword)
            if value is None:
                continue
            zero_point = value + offset
            barycentric = _is_barycentric(table, primary) or _MISSION_ZERO_POINTS.get(zero_point) == (mission or "")
            return system_of_zero_point(zero_point, "BJD" if barycentric and frame == "JD" else frame)
    return None


def find_time_offset(table: Header) -> float:
    """Read what is to be added to the times, in their unit: TIMEZERO or TIMEOFFS."""
    for keyword in ("TIMEZERO", "TIMEOFFS"):
        if isinstance(value := table.get(keyword), int | float):
            return float(value)
    return 0.0


def _read_reference(header: Header, keyword: str) -> float | None:
    """Read a reference as a whole, or as integer and fraction; TGLC spells the latter BJDREFR."""
    parts = [header.get(f"{keyword}{ending}") for ending in ("", "I")]
    whole = next((part for part in parts if isinstance(part, int | float) and not isinstance(part, bool)), None)
    if whole is None:
        return None
    fractions = [header.get(f"{keyword}{ending}") for ending in ("F", "R")]
    fraction = next((part for part in fractions if isinstance(part, int | float)), 0.0)
    return float(whole) + float(fraction)


def _is_barycentric(table: Header, primary: Header) -> bool:
    def word(keyword: str) -> str:
        return str(table.get(keyword) or primary.get(keyword) or "").strip().upper()

    return word("TIMESYS") == "TDB" or word("TIMEREF") in ("SOLARSYSTEM", "BARYCENTER", "BARYCENTRIC")
