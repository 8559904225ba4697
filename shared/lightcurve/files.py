"""Light-curve files: the content says in which format they are, the suffix in which to write them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

from shared.contracts.metadata import Metadata, MetadataValue
from shared.lightcurve import fits_format, npz_format, text_formats
from shared.lightcurve.errors import LightCurveError
from shared.lightcurve.light_curve import LightCurve
from shared.lightcurve.time_systems import RELATIVE, UNKNOWN

LightCurveFormat = Literal["tess", "kepler", "fits", "csv", "lcsg", "text", "npz"]

GZIP_MAGIC = b"\x1f\x8b"
_HEAD_BYTES = 65536


def read_light_curve(
    path: Path | str,
    *,
    lc_format: LightCurveFormat | None = None,
    metadata: Mapping[str, MetadataValue] | None = None,
    time_system: str | None = None,
    flux_column: str | None = None,
) -> LightCurve:
    """Read a light curve; gzipped or not.

    Samples whose flux is not finite, or whose quality is not 0, are flagged, not dropped. Rows without a time are
    dropped.

    Parameters
    ----------
    path
        The file; its suffix means nothing.
    lc_format
        What it must be; recognised by content if left out.
    metadata
        Overlays the metadata that the file itself holds.
    time_system
        Overrides what the file says, or does not say.
    flux_column
        For FITS: the column to read instead of PDCSAP_FLUX.

    Raises
    ------
    LightCurveError
        Not a light curve in this format: names the file, the line or HDU, and what was expected.
    OSError
        The file cannot be opened.
    """
    path = Path(path)
    head = _read_head(path)
    if not head.strip():
        raise LightCurveError(f"{path.name}: the file is empty")
    found = _recognise(head, path)
    wanted = lc_format or found
    if (wanted in ("tess", "kepler", "fits")) != (found == "fits") or (wanted == "npz") != (found == "npz"):
        raise LightCurveError(
            f"{path.name}: expected a light curve in the format {wanted!r}, but it looks like {found!r}"
        )
    match wanted:
        case "tess" | "kepler" | "fits":
            curve = fits_format.read_fits(path, mission=None if wanted == "fits" else wanted, flux_column=flux_column)
        case "npz":
            curve = npz_format.read_npz(path)
        case _:
            curve = text_formats.read_table(path, wanted)
    if metadata:
        curve = curve.with_metadata(metadata)
    stated = str(curve.metadata.get("time_system", RELATIVE))
    if time_system is not None:
        curve.time_system = time_system
    elif stated != RELATIVE and curve.time_system in (RELATIVE, UNKNOWN):
        curve.time_system = stated
    return curve


def write_light_curve(curve: LightCurve, path: Path | str) -> Metadata:
    """Write a light curve in the format that the suffix asks for.

    ``.npz`` is the binary format: everything is kept, to the bit, and it loads fast. Anything else is text of four
    columns: time [s], flux, flag, uncertainty; gzipped if the name ends in ``.gz``.

    Returns
    -------
    Metadata
        ``{"binary": bool, "gzipped": bool}``, what was written.

    Raises
    ------
    LightCurveError
        The suffix promises a format that is not written here.
    """
    path = Path(path)
    name = path.name.lower()
    plain = name.removesuffix(".gz")
    if plain.endswith((".fits", ".fit", ".npy")) or name.endswith(".npz.gz"):
        raise LightCurveError(f"{path.name}: light curves are written as .npz or as text (.gz or not), not as this")
    if name.endswith(".npz"):
        npz_format.write_npz(curve, path)
        return {"binary": True, "gzipped": False}
    gzipped = name.endswith(".gz")
    text_formats.write_text(curve, path, gzipped=gzipped)
    return {"binary": False, "gzipped": gzipped}


def _read_head(path: Path) -> bytes:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head.startswith(GZIP_MAGIC):
        return head
    try:
        with gzip.open(path) as file:
            return file.read(_HEAD_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise LightCurveError(f"{path.name}: broken gzip file: {error}") from error


def _recognise(head: bytes, path: Path) -> LightCurveFormat:
    if head.startswith(b"SIMPLE  ="):
        return "fits"
    if head.startswith(b"PK\x03\x04"):
        return "npz"
    if b"\0" in head:
        known = ", ".join(get_args(LightCurveFormat))
        raise LightCurveError(f"{path.name}: not a light curve in any known format ({known})")
    return text_formats.recognise_table(head.decode("utf-8", "replace"))
