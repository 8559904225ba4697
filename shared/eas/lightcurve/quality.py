"""Which samples the columns of quality flag: by the bits that the missions publish, under masks of four strengths.

The bits are those of the Kepler archive manual (KDMC-10008, table 2-3; K2 has the same) and of the TESS science data
products description (EXP-TESS-ARC-ICD-0014). "default" takes what spoils the photometry, "hard" also what may,
"hardest" any bit, and "none" nothing. For TESS, "default" is the mask that the TESS archive manual recommends. For
Kepler and K2 it is that of lightkurve without "detector anomaly": in K2 campaign 11 nearly every sample has that bit,
and none was harmed. Columns of other origin have no published bits: there, "default" and "hard" take any.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eas.lightcurve.arrays import BoolArray
from eas.lightcurve.reading_options import QualityBitmask

_KEPLER_DEFAULT = sum((1, 2, 4, 8, 32, 256, 65536, 1048576))
_KEPLER_HARD = _KEPLER_DEFAULT | sum((128, 1024, 8192, 16384, 524288))
_TESS_DEFAULT = sum((1, 2, 4, 8, 16, 32, 128, 512, 4096, 16384))
_TESS_HARD = _TESS_DEFAULT | sum((64, 1024, 2048))

#: Mission to the bits of its masks.
MASKS: dict[str, dict[str, int]] = {
    "kepler": {"default": _KEPLER_DEFAULT, "hard": _KEPLER_HARD},
    "tess": {"default": _TESS_DEFAULT, "hard": _TESS_HARD},
}
#: Columns that hold the mission's bits; others have bits of their own.
_MISSION_KEYS = frozenset({"quality", "sap_quality", "dquality", "tess_flags"})


@dataclass(frozen=True)
class QualityColumn:
    """A column of quality: its key (see `labels`) and its values, shape (N,); NaN where a value is missing."""

    key: str
    values: NDArray[np.float64]


def find_bits(key: str, mission: str | None, bitmask: QualityBitmask) -> int | None:
    """Find the bits of a column that flag a sample; None: any value that is not 0."""
    if isinstance(bitmask, int):
        return bitmask
    if bitmask == "none":
        return 0
    if bitmask == "hardest" or key not in _MISSION_KEYS:
        return None
    return MASKS.get(mission or "", {}).get(bitmask)


def find_bad_samples(
    columns: list[QualityColumn], mission: str | None, bitmask: QualityBitmask, size: int
) -> BoolArray:
    """Flag the samples that any column calls bad.

    Parameters
    ----------
    columns
        All columns of quality, equally long.
    mission
        "kepler" (K2 included) or "tess"; others have no published bits.
    bitmask
        Which bits count.
    size
        The number of samples.

    Returns
    -------
    BoolArray
        Shape (size,). A missing value flags its sample, unless no bit counts.
    """
    bad = np.zeros(size, np.bool_)
    for column in columns:
        bits = find_bits(column.key, mission, bitmask)
        if bits == 0:
            continue
        known = np.isfinite(column.values)
        bad |= ~known
        if bits is None:
            bad |= known & (column.values != 0)
        else:
            whole = np.where(known & (np.abs(column.values) < 2**62), column.values, 0).astype(np.int64)
            bad |= (whole & bits) != 0
    return bad
