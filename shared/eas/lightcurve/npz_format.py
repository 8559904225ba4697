"""The binary format: an uncompressed npz archive that says what it is, keeps every bit and loads fast.

``header`` is JSON (format, version, raster, time system, metadata); ``fluxes`` is always there; ``times`` only on an
arbitrary raster, ``uncertainties`` only if any is not 0, ``flags`` (packed bits) only if any is set.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from eas.contracts.values import find_value_fault
from eas.lightcurve.errors import LightCurveError
from eas.lightcurve.light_curve import FixedStepLightCurve, LightCurve

FORMAT = "eas-light-curve"
VERSION = 1


def write_npz(curve: LightCurve, path: Path) -> None:
    """Write the binary format.

    Raises
    ------
    LightCurveError
        The metadata hold NaN, infinity or something that JSON cannot express.
    """
    if (fault := find_value_fault(curve.metadata)) is not None and fault.is_not_finite:
        raise LightCurveError(f"{path.name}: metadata {fault.where!r} is not finite and cannot be written")
    header: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "samples": len(curve),
        "time_system": curve.time_system,
        "metadata": curve.metadata,
    }
    parts: dict[str, NDArray[Any]] = {"fluxes": curve.fluxes}
    if isinstance(curve, FixedStepLightCurve):
        header["raster"] = {"time_start": curve.time_start, "time_step": curve.time_step}
    else:
        parts["times"] = curve.times
    if curve.uncertainties.any():
        parts["uncertainties"] = curve.uncertainties
    if curve.flags.any():
        parts["flags"] = np.packbits(curve.flags)
    try:
        parts["header"] = np.frombuffer(orjson.dumps(header), np.uint8)
    except orjson.JSONEncodeError as error:
        raise LightCurveError(f"{path.name}: the metadata cannot be written as JSON: {error}") from error
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **parts)


def read_npz(path: Path) -> LightCurve:
    """Read the binary format.

    Raises
    ------
    LightCurveError
        Cut off, damaged, or not written by `write_npz`.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            if "header" not in archive:
                raise LightCurveError(f"{path.name}: an npz file, but not a light curve (no part named 'header')")
            header = orjson.loads(archive["header"].tobytes())
            parts = {name: archive[name] for name in archive.files if name != "header"}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        if isinstance(error, LightCurveError):
            raise
        raise LightCurveError(f"{path.name}: broken npz file: {error}") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT or header.get("version") != VERSION:
        raise LightCurveError(f"{path.name}: an npz file, but not a light curve of {FORMAT} version {VERSION}")
    return _assemble(path, header, parts)


def _assemble(path: Path, header: dict[str, Any], parts: dict[str, NDArray[Any]]) -> LightCurve:
    packed = parts.get("flags")
    try:
        fluxes, uncertainties = parts["fluxes"], parts.get("uncertainties")
        flags = None if packed is None else np.unpackbits(packed, count=header["samples"]).view(np.bool_)
        raster = header.get("raster")
        curve: LightCurve
        if raster is None:
            curve = LightCurve(parts["times"], fluxes, uncertainties=uncertainties, flags=flags)
        else:
            start, step = raster["time_start"], raster["time_step"]
            curve = FixedStepLightCurve(start, step, fluxes, uncertainties=uncertainties, flags=flags)
        curve.time_system = str(header["time_system"])
        curve.metadata = dict(header["metadata"])
    except LightCurveError as error:
        raise LightCurveError(f"{path.name}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise LightCurveError(f"{path.name}: the light curve lacks a part: {error}") from error
    return curve
