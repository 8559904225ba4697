"""Light curves in FITS: of TESS (SPOC, QLP, TGLC, eleanor, TASOC, CDIPS), Kepler, K2 (K2SFF, EVEREST), and others."""

from __future__ import annotations

import io
import logging
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eas.contracts.metadata import Metadata
from eas.lightcurve.columns import assign_roles
from eas.lightcurve.curve_building import ColumnTable, build_curve
from eas.lightcurve.errors import LightCurveError
from eas.lightcurve.fits_tables import (
    choose_table,
    find_labels,
    find_time_offset,
    find_time_system,
    read_column,
    read_flag_column,
)
from eas.lightcurve.labels import find_days_per_unit
from eas.lightcurve.light_curve import LightCurve
from eas.lightcurve.quality import QualityColumn
from eas.lightcurve.reading_options import ReadingOptions
from eas.lightcurve.text_files import GZIP_MAGIC, open_unpacked
from eas.lightcurve.time_systems import zero_point_of

if TYPE_CHECKING:
    from astropy.io.fits import HDUList, Header

logger = logging.getLogger(__name__)

FLUX_COLUMN = "PDCSAP_FLUX"

#: Header card to metadata keyword; units: RA and Dec [deg], Teff [K], log g [cgs], radius [solar radii].
_CARDS = {
    "OBJECT": "object",
    "TICID": "tic_id",
    "KEPLERID": "kepler_id",
    "SECTOR": "sector",
    "QUARTER": "quarter",
    "CAMPAIGN": "campaign",
    "CAMERA": "camera",
    "CCD": "ccd",
    "RA_OBJ": "ra",
    "DEC_OBJ": "dec",
    "TEFF": "teff",
    "LOGG": "logg",
    "RADIUS": "radius",
    "TESSMAG": "tess_magnitude",
    "KEPMAG": "kepler_magnitude",
}


def read_fits(path: Path, *, mission: str | None = None, options: ReadingOptions | None = None) -> LightCurve:
    """Read a light curve from a table of a FITS file; it may be packed.

    Parameters
    ----------
    path
        The file.
    mission
        "tess" or "kepler" (K2 included) to insist on one.
    options
        What the user says about the file.

    Raises
    ------
    LightCurveError
        Cut off, damaged, of another mission, or without the columns.
    """
    from astropy.io import fits

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with fits.open(_openable(path), memmap=False) as hdus:
                curve = _read_hdus(hdus, path, mission, options or ReadingOptions())
    except LightCurveError:
        _refuse_truncation(path, caught)
        raise
    except (OSError, EOFError, ValueError, TypeError, IndexError, KeyError, fits.VerifyError) as error:
        raise LightCurveError(f"{path.name}: broken FITS file (cut off?): {error}") from error
    _refuse_truncation(path, caught)
    for warning in caught:
        logger.warning("%s: %s", path.name, warning.message)
    return curve


def _openable(path: Path) -> Any:
    """Leave gzip to astropy, which says where such a file ends too early; unpack what it does not know."""
    with path.open("rb") as raw:
        magic = raw.read(6)
    if magic.startswith((b"BZh", b"\xfd7zXZ")) and not magic.startswith(GZIP_MAGIC):
        with open_unpacked(path) as file:
            return io.BytesIO(file.read())
    return path


def _refuse_truncation(path: Path, caught: list[warnings.WarningMessage]) -> None:
    for warning in caught:
        if "truncated" in str(warning.message):
            raise LightCurveError(f"{path.name}: the FITS file is cut off: {warning.message}")


def write_fits(curve: LightCurve, path: Path) -> None:
    """Write a light curve in the form of TESS, for programs that read no other.

    Bad samples keep their flux; their quality is 1. Times whose zero point is not known are written as they are.
    """
    from astropy.io import fits

    primary = fits.PrimaryHDU()
    primary.header["TELESCOP"] = "PLATO"
    primary.header["ORIGIN"] = "EAS"
    if isinstance(name := curve.metadata.get("object"), str) and name.isascii() and name.isprintable():
        primary.header["OBJECT"] = name[:60]
    columns = [
        fits.Column("TIME", "D", unit="d", array=curve.times),
        fits.Column(FLUX_COLUMN, "D", array=curve.fluxes),
        fits.Column(f"{FLUX_COLUMN}_ERR", "D", array=curve.uncertainties),
        fits.Column("QUALITY", "J", array=curve.flags.astype(np.int32)),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="LIGHTCURVE")
    zero_point = zero_point_of(curve.time_system)
    if zero_point is not None:
        table.header["BJDREFI"] = int(zero_point)
        table.header["BJDREFF"] = zero_point - int(zero_point)
    fits.HDUList([primary, table]).writeto(path)


def _read_hdus(hdus: HDUList, path: Path, mission: str | None, options: ReadingOptions) -> LightCurve:
    primary = hdus[0].header
    found = _find_mission(primary, [hdu.header for hdu in hdus[1:2]])
    if mission not in (None, found):
        raise LightCurveError(
            f"{path.name}: expected a light curve of {mission}, but this one is of {found or 'another'}"
        )
    if len(hdus) == 1:
        raise LightCurveError(
            f"{path.name}: the file has no HDU besides the first, so no table (an image, or cut off?)"
        )
    table = choose_table(hdus, options, path.name)
    labels = find_labels(table)
    roles = assign_roles(labels, options, f"{path.name}: HDU {table.name or 'without a name'!r}")
    times = read_column(table, roles.time, path.name)
    error = roles.uncertainty
    column_table = ColumnTable(
        filename=path.name,
        time_label=labels[roles.time],
        flux_label=labels[roles.flux],
        error_label=None if error is None else labels[error],
        times=times + offset if (offset := find_time_offset(table.header)) else times,
        fluxes=read_column(table, roles.flux, path.name),
        errors=None if error is None else read_column(table, error, path.name),
        quality=[
            QualityColumn(labels[place].key, read_flag_column(table, place, path.name)) for place in roles.quality
        ],
        quality_names=[labels[place].name for place in roles.quality],
        mission=found,
        time_system=find_time_system(table.header, primary, found),
        time_unit=_stated_unit(table.header, primary),
        metadata={"filename": path.name, **_metadata(primary, table.header)},
    )
    lengths = {len(column) for column in (column_table.fluxes, times)}
    if len(lengths) > 1:
        raise LightCurveError(
            f"{path.name}: times and fluxes differ in length: {len(times)}, {len(column_table.fluxes)}"
        )
    return build_curve(column_table, options)


def _find_mission(primary: Header, others: list[Header]) -> str | None:
    """Find the mission by TELESCOP or MISSION, in lower case; K2 is Kepler's."""
    for header in (primary, *others):
        for keyword in ("TELESCOP", "MISSION"):
            word = str(header.get(keyword) or "").strip().lower()
            if word:
                return "kepler" if word.startswith(("kepler", "k2")) else "tess" if word.startswith("tess") else word
    return None


def _stated_unit(table: Header, primary: Header) -> str | None:
    """Read TIMEUNIT of the table, else of the first header."""
    return next((str(unit).strip() for header in (table, primary) if (unit := header.get("TIMEUNIT"))), None)


def _metadata(primary: Header, table: Header) -> Metadata:
    metadata: Metadata = {}
    if mission := primary.get("MISSION") or primary.get("TELESCOP"):
        metadata["mission"] = str(mission).strip()
    for card, keyword in _CARDS.items():
        value = primary.get(card, table.get(card))
        whole = isinstance(value, int) and abs(value) < 2**63
        if isinstance(value, str) or whole or (isinstance(value, float) and math.isfinite(value)):
            metadata[keyword] = value
    cadence = table.get("TIMEDEL")
    if isinstance(cadence, float) and cadence > 0:
        unit = find_days_per_unit(_stated_unit(table, primary)) or 1.0
        metadata["cadence"] = round(cadence * unit * 86400, 6)  # [s]
    return metadata
