"""Light curves in small, such that transits stay visible."""

from __future__ import annotations

import math
import zipfile

import numpy as np
from numpy.typing import NDArray

from eas.contracts.previews import LightCurvePreview, PreviewForm, PreviewParameters
from eas.lightcurve.arrays import FloatArray
from eas.lightcurve.errors import LightCurveError
from eas.lightcurve.files import read_light_curve
from eas.lightcurve.light_curve import LightCurve
from eas_product_store.previews.errors import UnreadableError
from eas_product_store.previews.source import Source

#: Most bytes that a packed archive may unfold to.
MAX_UNPACKED = 1 << 29

_COLUMNS = ("flux", "uncertainty")


def show_light_curve(source: Source, wanted: PreviewParameters, forms: list[PreviewForm]) -> LightCurvePreview:
    """Read a light curve and thin it out.

    Raises
    ------
    UnreadableError
        It is damaged, is no light curve, or has no such column.
    """
    curve, unit = _read(source, wanted.column)
    column = (wanted.column or "flux").lower()
    values = curve.uncertainties if column == "uncertainty" else curve.fluxes
    shown = np.isfinite(values) if wanted.flagged else curve.good_samples() & np.isfinite(values)
    times = curve.times
    flagged = int(np.count_nonzero(~curve.good_samples()))
    low = -math.inf if wanted.start is None else wanted.start
    high = math.inf if wanted.end is None else wanted.end
    shown &= (times >= low) & (times < high)
    some_times, some_values = times[shown], values[shown]
    kept = thin_out(some_times, some_values, wanted.points)
    return LightCurvePreview(
        forms=forms,
        samples=len(curve),
        flagged=flagged,
        first_time=float(times.min()) if len(times) else None,
        last_time=float(times.max()) if len(times) else None,
        time_system=curve.time_system,
        column=str(curve.metadata.get("flux_column", "flux")) if column != "uncertainty" else column,
        unit=unit,
        selected=len(some_times),
        decimated=len(kept) < len(some_times),
        times=some_times[kept].tolist(),
        values=some_values[kept].tolist(),
        metadata={key: value for key, value in curve.metadata.items() if key not in ("filename", "flux_column")},
    )


def thin_out(times: FloatArray, values: FloatArray, points: int) -> NDArray[np.intp]:
    """Choose samples: of each of `points` / 2 equal intervals of time the lowest and the highest one.

    Parameters
    ----------
    times, values
        Shape (N,), finite.
    points
        Most samples to choose, at least 2.

    Returns
    -------
    NDArray
        Indices by time; all of them where there are no more than `points`.
    """
    order = np.argsort(times, kind="stable")
    if len(times) <= points:
        return order
    some = values[order]
    buckets = _divide(times[order], points // 2)
    starts = np.concatenate(([0], np.flatnonzero(np.diff(buckets)) + 1))
    lengths = np.diff(np.concatenate((starts, [len(some)])))
    chosen = [
        _find_first(some == np.repeat(extreme.reduceat(some, starts), lengths), buckets)
        for extreme in (np.minimum, np.maximum)
    ]
    kept: NDArray[np.intp] = order[np.unique(np.concatenate(chosen))]
    return kept


def _find_first(marked: NDArray[np.bool_], buckets: NDArray[np.intp]) -> NDArray[np.intp]:
    """Find the first marked sample of each interval; each has one."""
    places = np.flatnonzero(marked)
    _, first = np.unique(buckets[places], return_index=True)
    found: NDArray[np.intp] = places[first]
    return found


def _divide(times: FloatArray, count: int) -> NDArray[np.intp]:
    """Say for each sample in which interval of time it lies; `times` do not decrease."""
    with np.errstate(over="ignore", invalid="ignore"):
        places = (times - times[0]) * (count / (times[-1] - times[0])) if times[-1] > times[0] else times * np.nan
    if not np.isfinite(places).all():  # all at one time, or further apart than numbers go
        places = np.arange(len(times)) * (count / len(times))
    return np.minimum(places.astype(np.intp), count - 1)


def _read(source: Source, column: str | None) -> tuple[LightCurve, str | None]:
    head = source.read_head()
    is_fits = head.startswith(b"SIMPLE  =")
    standard = column is None or column.lower() in _COLUMNS
    if not standard and not is_fits:
        raise UnreadableError(f"there is no column {column!r}; expected {' or '.join(_COLUMNS)}")
    if head.startswith(b"PK\x03\x04"):
        _check_unfolding(source)
    try:
        curve = read_light_curve(source.path, flux_column=None if standard else column)
    except LightCurveError as error:
        name = source.path.name
        raise UnreadableError(str(error).removeprefix(f"{name}: ").removeprefix(f"{name}, ")) from error
    unit = curve.metadata.get("flux_unit")
    return curve, str(unit) if is_fits and unit is not None else None


def _check_unfolding(source: Source) -> None:
    try:
        with zipfile.ZipFile(source.path) as archive:
            size = sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise UnreadableError(f"a broken npz file: {error}") from error
    if size > MAX_UNPACKED:
        raise UnreadableError(f"it unfolds to {size} bytes; a preview takes at most {MAX_UNPACKED}")
