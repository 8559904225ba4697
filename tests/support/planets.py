"""A light curve with a planet whose truth is known, for tests of readers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from eas.lightcurve.arrays import FloatArray

SAMPLES = 240
START = 1400.0
PERIOD = 2.5
DEPTH = 0.01
FIRST_TRANSIT = 1.2


def make_planet(noise: float = 2e-4) -> tuple[FloatArray, FloatArray]:
    """Make times [d] from 1400, one an hour for 10 d, and fluxes around 1 with a transit of 1 % every 2.5 d."""
    days = np.arange(SAMPLES) / 24
    fluxes = 1 + noise * np.random.default_rng(7).standard_normal(SAMPLES)
    phase = (days - FIRST_TRANSIT + PERIOD / 2) % PERIOD - PERIOD / 2
    fluxes[np.abs(phase) < 0.07] -= DEPTH
    return START + days, fluxes


def make_rows(*columns: Any, mark: str = ",", form: str = "%.7f", end: str = "\n") -> str:
    """Write columns of numbers or words as rows of text."""
    words = [[value if isinstance(value, str) else form % value for value in column] for column in columns]
    return "".join(mark.join(row) + end for row in zip(*words, strict=True))


def write_fits_table(
    path: Path,
    columns: dict[str, Any],
    *,
    primary: dict[str, Any] | None = None,
    header: dict[str, Any] | None = None,
    name: str | None = "LIGHTCURVE",
    units: dict[str, str] | None = None,
    nulls: dict[str, int] | None = None,
    more: tuple[fits.BinTableHDU, ...] = (),
) -> Path:
    """Write a FITS file whose first table has these columns, in the types of the arrays."""
    first = fits.PrimaryHDU()
    first.header.update(primary or {})
    made = []
    for column, values in columns.items():
        array = np.asarray(values)
        width = "" if array.ndim == 1 else str(int(np.prod(array.shape[1:])))
        code = {"f8": "D", "f4": "E", "i4": "J", "i2": "I", "i8": "K"}.get(array.dtype.str[1:])
        form = f"{array.dtype.itemsize}A" if array.dtype.kind == "S" else f"{width}{code}"
        made.append(
            fits.Column(column, form, array=array, unit=(units or {}).get(column), null=(nulls or {}).get(column))
        )
    table = fits.BinTableHDU.from_columns(made, name=name)
    table.header.update(header or {})
    fits.HDUList([first, table, *more]).writeto(path)
    return path
