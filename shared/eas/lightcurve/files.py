"""Light-curve files: the content says in which format they are, the suffix in which to write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from eas.contracts.metadata import Metadata, MetadataValue
from eas.lightcurve import fits_format, npz_format, text_formats
from eas.lightcurve.errors import LightCurveError
from eas.lightcurve.light_curve import LightCurve
from eas.lightcurve.reading_options import ReadingOptions
from eas.lightcurve.text_files import decode_head, read_head
from eas.lightcurve.time_systems import RELATIVE, UNKNOWN, standard_name

LightCurveFormat = Literal["tess", "kepler", "fits", "csv", "lcsg", "text", "npz"]

#: First bytes of files that people have and that are no light curves to EAS, and what to do about them.
_FOREIGN = (
    (b"\x89HDF", "an HDF5 file: write the curve as CSV, or as FITS"),
    (b"\xd0\xcf\x11\xe0", "a workbook of an old Excel: save the sheet as CSV"),
    (b"PAR1", "a Parquet file: write the table as CSV"),
    (b"FEA1", "a Feather file: write the table as CSV"),
    (b"ARROW1", "a Feather file: write the table as CSV"),
    (b"\x93NUMPY", "a single numpy array: write columns as CSV"),
    (b"#ASDF", "an ASDF file: write the table as CSV or FITS"),
    (b"\x80\x04", "a Python pickle, which EAS never loads: write the table as CSV"),
    (b"<?xml", "XML (a VOTable?): write the table as CSV or FITS"),
    (b"<VOTABLE", "a VOTable: write the table as CSV or FITS"),
    (b"<!DOCTYPE", "a web page, as servers send it in place of a file that is not there"),
    (b"<html", "a web page, as servers send it in place of a file that is not there"),
    (b"%PDF", "a PDF file"),
    (b"Rar!", "a RAR archive: unpack it"),
    (b"7z\xbc\xaf", "a 7-zip archive: unpack it"),
)


def read_light_curve(
    path: Path | str,
    *,
    lc_format: LightCurveFormat | None = None,
    metadata: Mapping[str, MetadataValue] | None = None,
    time_system: str | None = None,
    flux_column: str | None = None,
    options: ReadingOptions | None = None,
) -> LightCurve:
    """Read a light curve; packed by gzip, bzip2 or xz, or not.

    Samples whose flux is not finite, or which a column of quality calls bad, are flagged, not dropped. Rows without a
    time are dropped. The order of the samples is that of the file.

    Parameters
    ----------
    path
        The file; its suffix means nothing.
    lc_format
        What it must be; recognised by content if left out.
    metadata
        Overlays the metadata that the file itself holds.
    time_system, flux_column
        As in `options`, which they override.
    options
        How to read columns, units and flags.

    Raises
    ------
    LightCurveError
        Not a light curve in this format: names the file, the line or HDU, and what was expected; or it can be read in
        several ways: names the option that decides.
    OSError
        The file cannot be opened.
    """
    path = Path(path)
    chosen = options or ReadingOptions()
    if time_system is not None:
        chosen = replace(chosen, time_system=time_system)
    if flux_column is not None:
        chosen = replace(chosen, flux_column=flux_column)
    head = read_head(path)
    if not head.strip(b"\xef\xbb\xbf \t\r\n\x1a"):
        raise LightCurveError(f"{path.name}: the file is empty")
    kind = _recognise(head, path)
    wanted = {"tess": "fits", "kepler": "fits", "npz": "npz", "fits": "fits", None: kind}.get(lc_format, "table")
    if wanted != kind:
        looks = "a table of text" if kind == "table" else repr(kind)
        raise LightCurveError(
            f"{path.name}: expected a light curve in the format {lc_format!r}, but it looks like {looks}"
        )
    match lc_format:
        case "tess" | "kepler":
            curve = fits_format.read_fits(path, mission=lc_format, options=chosen)
        case "csv" | "lcsg" | "text":
            curve = text_formats.read_table(path, lc_format, chosen)
        case _ if kind == "fits":
            curve = fits_format.read_fits(path, options=chosen)
        case _ if kind == "npz":
            curve = npz_format.read_npz(path)
        case _:
            curve = text_formats.read_table(path, None, chosen)
    if metadata:
        curve = curve.with_metadata(metadata)
    stated = str(curve.metadata.get("time_system", RELATIVE))
    if chosen.time_system is not None:
        curve.time_system = standard_name(chosen.time_system)
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


def _recognise(head: bytes, path: Path) -> Literal["fits", "npz", "table"]:
    """Tell by the first bytes what a file is.

    Raises
    ------
    LightCurveError
        It is nothing that is read here: says what it looks like.
    """
    if head.startswith(b"SIMPLE  ="):
        return "fits"
    if head.startswith(b"PK\x03\x04"):
        _refuse_other_archives(head, path)
        return "npz"
    if (foreign := next((what for mark, what in _FOREIGN if head.lstrip().startswith(mark)), None)) is not None:
        raise LightCurveError(f"{path.name}: this is {foreign}")
    if decode_head(head) is None:
        known = ", ".join(get_args(LightCurveFormat))
        raise LightCurveError(f"{path.name}: not a light curve in any known format ({known})")
    return "table"


def _refuse_other_archives(head: bytes, path: Path) -> None:
    """Refuse archives whose first member is none of numpy's."""
    first = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    if first.startswith((b"[Content_Types]", b"xl/", b"_rels/", b"docProps")):
        raise LightCurveError(f"{path.name}: this is an Excel workbook: save the sheet as CSV")
    if first == b"mimetype":
        raise LightCurveError(f"{path.name}: this is a workbook of LibreOffice: save the sheet as CSV")
    if first and not first.endswith(b".npy"):
        raise LightCurveError(f"{path.name}: this is a zip archive: unpack it")
