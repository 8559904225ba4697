"""Light curves in FITS as the TESS (SPOC) and Kepler/K2 pipelines export them, and in that form those of others."""

from __future__ import annotations

import logging
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from shared.contracts.metadata import Metadata
from shared.lightcurve.arrays import BoolArray, FloatArray
from shared.lightcurve.errors import LightCurveError
from shared.lightcurve.light_curve import LightCurve
from shared.lightcurve.time_systems import ZERO_POINTS, system_of_zero_point

if TYPE_CHECKING:
    from astropy.io.fits import BinTableHDU, HDUList, Header

logger = logging.getLogger(__name__)

FLUX_COLUMN = "PDCSAP_FLUX"
QUALITY_COLUMNS = {"tess": "QUALITY", "kepler": "SAP_QUALITY", "plato": "QUALITY"}

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


def read_fits(path: Path, *, mission: str | None = None, flux_column: str | None = None) -> LightCurve:
    """Read a TESS or Kepler light-curve file; it may be gzipped.

    Parameters
    ----------
    path
        The file.
    mission
        "tess" or "kepler" (K2 included) to insist on one.
    flux_column
        PDCSAP_FLUX if left out; its uncertainty is the column of that name and ``_ERR``.

    Raises
    ------
    LightCurveError
        Cut off, damaged, of another mission, or without the columns.
    """
    from astropy.io import fits

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with fits.open(path, memmap=False) as hdus:
                curve = _read_hdus(hdus, path, mission, (flux_column or FLUX_COLUMN).upper())
    except LightCurveError:
        raise
    except (OSError, EOFError, ValueError, TypeError, IndexError, KeyError, fits.VerifyError) as error:
        raise LightCurveError(f"{path.name}: broken FITS file (cut off?): {error}") from error
    for warning in caught:
        if "truncated" in str(warning.message):
            raise LightCurveError(f"{path.name}: the FITS file is cut off: {warning.message}")
        logger.warning("%s: %s", path.name, warning.message)
    return curve


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
    table.header["BJDREFI"] = int(ZERO_POINTS.get(curve.time_system, 0))
    table.header["BJDREFF"] = 0.0
    fits.HDUList([primary, table]).writeto(path)


def _read_hdus(hdus: HDUList, path: Path, mission: str | None, flux_column: str) -> LightCurve:
    primary = hdus[0].header
    telescope = str(primary.get("TELESCOP", "")).strip().lower()
    if telescope not in QUALITY_COLUMNS:
        raise LightCurveError(f"{path.name}: TELESCOP in HDU 0 is {telescope!r}; expected TESS, Kepler or PLATO")
    if mission not in (None, telescope):
        raise LightCurveError(f"{path.name}: expected a light curve of {mission}, but this one is of {telescope}")
    table = _find_table(hdus, path)
    columns = {name.upper() for name in table.columns.names}
    quality_column = QUALITY_COLUMNS[telescope]
    missing = [name for name in ("TIME", flux_column, quality_column) if name not in columns]
    if missing:
        raise LightCurveError(
            f"{path.name}: HDU {table.name!r} has no column {' or '.join(missing)}; it has {', '.join(sorted(columns))}"
        )
    times = np.asarray(table.data["TIME"], np.float64)
    fluxes = np.asarray(table.data[flux_column], np.float64)
    error_column = f"{flux_column}_ERR"
    errors: FloatArray = (
        np.asarray(table.data[error_column], np.float64) if error_column in columns else np.zeros(len(times))
    )
    bad: BoolArray = (np.asarray(table.data[quality_column]) != 0) | ~np.isfinite(fluxes) | ~np.isfinite(errors)
    timed = np.isfinite(times)
    zero_point = float(table.header.get("BJDREFI", 0)) + float(table.header.get("BJDREFF", 0.0))
    return LightCurve(
        times[timed],
        fluxes[timed],
        uncertainties=np.where(np.isfinite(errors), errors, 0.0)[timed],
        flags=bad[timed],
        time_system=system_of_zero_point(zero_point),
        metadata={"filename": path.name, "flux_column": flux_column, **_metadata(primary, table.header)},
    )


def _find_table(hdus: HDUList, path: Path) -> BinTableHDU:
    for hdu in hdus[1:]:
        if hdu.name == "LIGHTCURVE":
            return hdu
    names = ", ".join(hdu.name or "unnamed" for hdu in hdus)
    raise LightCurveError(f"{path.name}: no HDU named LIGHTCURVE (cut off?); there are {names}")


def _metadata(primary: Header, table: Header) -> Metadata:
    metadata: Metadata = {"mission": str(primary.get("MISSION") or primary["TELESCOP"]).strip()}
    for card, keyword in _CARDS.items():
        value = primary.get(card)
        if isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
            metadata[keyword] = value
    cadence = table.get("TIMEDEL")
    if isinstance(cadence, float) and cadence > 0:
        metadata["cadence"] = round(cadence * 86400, 6)  # [s]
    return metadata
