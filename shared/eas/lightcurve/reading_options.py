"""What a user may say about a file that does not say it itself, or that says several things."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TimeUnit = Literal["d", "h", "min", "s"]
FluxUnit = Literal["flux", "fraction", "percent", "ppt", "ppm", "mag"]
QualityBitmask = Literal["none", "default", "hard", "hardest"] | int
RepeatedTimes = Literal["refuse", "first"]


@dataclass(frozen=True)
class ReadingOptions:
    """How to read a light curve; everything that is left out is found in the file.

    Parameters
    ----------
    time_system
        Overrides what the file says, or does not say.
    time_column, flux_column, error_column, quality_column
        Names of columns, in any case; without a header their numbers, from 1.
    time_unit
        Of the time column; overrides the file.
    flux_unit
        Of the flux column; overrides the file. "flux": as it is. "fraction", "percent", "ppt" and "ppm": differences
        from 1 where they centre on 0. "mag": magnitudes, which are converted.
    quality_bitmask
        Which bits of quality columns flag a sample: "none", "default", "hard" or "hardest" as of the mission (see
        `quality`), or the bits themselves.
    hdu
        For FITS: name or number of the HDU that holds the table.
    """

    time_system: str | None = None
    time_column: str | None = None
    flux_column: str | None = None
    error_column: str | None = None
    quality_column: str | None = None
    time_unit: TimeUnit | None = None
    flux_unit: FluxUnit | None = None
    quality_bitmask: QualityBitmask = "default"
    hdu: str | int | None = None
