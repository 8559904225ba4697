"""One page on a transit candidate, after the Kepler data-validation summary: drawn by matplotlib, without pyplot."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eas.lightcurve import LightCurveError
from eas.lightcurve.flux_level import find_level
from eas_worker.science.page_arrays import FoldBins, Series, bin_fold, envelope, flux_limits, list_transits
from eas_worker.science.transit_signal import FloatArray, Periodogram, TransitSignal
from eas_worker.science.vetting import Vetting, find_odd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Paper size [in] and resolution: 1430 x 1105 pixels.
PAGE_SIZE = (11.0, 8.5)
RESOLUTION = 130
#: A panel shows at most so many single samples.
MAX_POINTS = 30_000
#: A periodogram is drawn with so many points, the highest of each stretch.
MAX_PERIODS = 4_000
#: Bins across the folded orbit and across the fold near transit.
ORBIT_BINS, TRANSIT_BINS = 200, 50
#: Lighter than this a panel's samples would not be seen, darker they would hide the model.
SAMPLE_COLOUR, BIN_COLOUR, MODEL_COLOUR, MARK_COLOUR = "0.62", "#1f4e8c", "#c8321e", "#e08a1e"
STYLE: dict[Any, Any] = {
    "font.size": 7.5,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 4.0,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.formatter.useoffset": False,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 6.5,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    # A title comes from a job file: it is text, never a formula.
    "text.parse_math": False,
}


@dataclass(frozen=True)
class ReportPage:
    """All that a page shows.

    Parameters
    ----------
    title, subtitle
        Plain text.
    time_system
        Such as ``BTJD``, for the time axis.
    searched
        The curve that was searched.
    raw
        The same before detrending.
    vetting
        What was measured on it.
    periodogram
        Of the search, with the label of its power axis.
    numbers
        Rows of the table: name, value with unit.
    """

    title: str
    subtitle: str
    time_system: str
    searched: Series
    vetting: Vetting
    raw: Series | None = None
    periodogram: Periodogram | None = None
    power_label: str = "power"
    numbers: list[tuple[str, str]] = field(default_factory=list)


def draw_page(page: ReportPage, path: Path) -> None:
    """Draw the page as a PNG file."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # a title in letters that the font lacks
        figure = Figure(figsize=PAGE_SIZE, dpi=RESOLUTION)
        FigureCanvasAgg(figure)
        title = shorten(page.title, 110)
        figure.text(0.055, 0.975, title, fontsize=13 if len(title) <= 60 else 9, fontweight="bold", va="top")
        figure.text(0.055, 0.943, shorten(page.subtitle, 150), fontsize=8.5, va="top", color="0.25")
        _draw_series(figure, page)
        _draw_middle(figure, page)
        _draw_bottom(figure, page)
        figure.savefig(path, format="png", metadata={"Software": None})


def to_ppm(fluxes: FloatArray) -> FloatArray:
    """Turn relative fluxes into deviations from 1 in parts per million."""
    return (fluxes - 1) * 1e6


def shorten(text: str, length: int) -> str:
    """Cut a text to a length, on one line, without control characters."""
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return text if len(text) <= length else text[: length - 1] + "…"


# --- The rows of the page


def _draw_series(figure: Figure, page: ReportPage) -> None:
    rows = 2 if page.raw is not None else 1
    grid = figure.add_gridspec(rows, 1, left=0.075, right=0.985, top=0.905, bottom=0.655, hspace=0.12)
    signal = page.vetting.signal
    first, last = float(page.searched.times[0]), float(page.searched.times[-1])
    # A Julian date has too many digits for an axis.
    zero = 100.0 * np.floor(first / 100) if first > 100_000 else 0.0
    middles = list_transits(signal, first, last) - zero
    bottom = figure.add_subplot(grid[rows - 1])
    if page.raw is not None:
        top = figure.add_subplot(grid[0], sharex=bottom)
        level = _find_level(page.raw)
        raw = Series(page.raw.times - zero, page.raw.fluxes / (level or 1.0))
        _plot_samples(top, raw)
        top.set_ylim(flux_limits(raw.fluxes, low=0.05, high=99.95))
        top.set_ylabel("raw flux\n(relative)" if level else "raw flux")
        top.tick_params(labelbottom=False)
        top.set_title("Full series: raw, and detrended as searched (marks: transits)")
        _mark_transits(top, middles)
    else:
        bottom.set_title("Full series as searched (marks: transits)")
    _plot_samples(bottom, Series(page.searched.times - zero, page.searched.fluxes))
    bottom.set_ylim(flux_limits(page.searched.fluxes, low=0.01, high=99.99, floor=1 - 1.1 * signal.depth))
    bottom.set_ylabel("searched flux\n(relative)" if page.raw is not None else "flux (relative)")
    system = "" if page.time_system in ("relative", "unknown") else f", {page.time_system}"
    bottom.set_xlabel(f"time{system}{f' − {zero:.0f}' if zero else ''} [d]")
    bottom.set_xlim(first - zero - 0.01 * (last - first), last - zero + 0.01 * (last - first))
    _mark_transits(bottom, middles)


def _find_level(series: Series) -> float | None:
    """Find what fluxes are divided by to be relative; None for fluxes without a positive level."""
    try:
        return find_level(series.fluxes)
    except LightCurveError:
        return None


def _draw_middle(figure: Figure, page: ReportPage) -> None:
    grid = figure.add_gridspec(1, 2, left=0.075, right=0.985, top=0.575, bottom=0.375, wspace=0.16)
    _draw_periodogram(figure.add_subplot(grid[0]), page)
    _draw_orbit(figure.add_subplot(grid[1]), page)


def _draw_bottom(figure: Figure, page: ReportPage) -> None:
    place = {"top": 0.295, "bottom": 0.065}
    folds = figure.add_gridspec(1, 3, left=0.075, right=0.495, **place, wspace=0.06, width_ratios=(2.2, 1.2, 1.2))
    transit = figure.add_subplot(folds[0])
    odd, even = (figure.add_subplot(folds[column], sharey=transit) for column in (1, 2))
    _draw_transit(transit, page)
    _draw_parity(odd, even, page)
    _draw_secondary(figure.add_subplot(figure.add_gridspec(1, 1, left=0.555, right=0.72, **place)[0]), page)
    _draw_table(figure.add_subplot(figure.add_gridspec(1, 1, left=0.745, right=0.985, **place)[0]), page.numbers)


# --- The panels


def _draw_periodogram(axes: Axes, page: ReportPage) -> None:
    axes.set_title("Periodogram")
    axes.set_xlabel("period [d]")
    axes.set_ylabel(page.power_label)
    if page.periodogram is None or page.periodogram.periods.size < 2:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.text(0.5, 0.5, "the search's archive was not given", ha="center", va="center", color="0.4")
        return
    drawn = envelope(page.periodogram, MAX_PERIODS)
    periods, power = drawn.periods, drawn.power
    if 0 < power.max() < 0.01:  # keeps the axis free of an offset that would sit on the title
        exponent = int(np.floor(np.log10(power.max())))
        power = power / 10.0**exponent
        axes.set_ylabel(f"{page.power_label} [1e{exponent}]")
    axes.plot(periods, power, lw=0.5, color="0.3", zorder=3)
    axes.set_xscale("log")
    axes.set_xlim(periods[0], periods[-1])
    best = page.vetting.candidate.period
    for factor in (0.25, 1 / 3, 0.5, 2.0, 3.0, 4.0):
        if periods[0] < best * factor < periods[-1]:
            axes.axvline(best * factor, color=MARK_COLOUR, lw=1.0, ls=":", zorder=2, label="P/4 … 4P")
    axes.axvline(best, color=MODEL_COLOUR, lw=4, alpha=0.3, zorder=1, label=f"P = {best:.5g} d")
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    high = float(power.max())
    low = float(power.min())
    axes.set_ylim(low - 0.02 * (high - low), high + 0.22 * (high - low) if high > low else None)
    axes.legend(unique.values(), unique.keys(), loc="upper right", ncols=2)
    _number_log_axis(axes, periods[0], periods[-1])


def _draw_orbit(axes: Axes, page: ReportPage) -> None:
    signal = page.vetting.signal
    phases = signal.offsets(page.searched.times) / signal.period
    phases = np.where(phases < -0.25, phases + 1, phases)
    axes.set_title("Folded on the period (blue: binned)")
    _plot_samples(axes, Series(phases, to_ppm(page.searched.fluxes)))
    bins = bin_fold(phases, page.searched.fluxes, -0.25, 0.75, ORBIT_BINS)
    axes.plot(bins.centres, to_ppm(bins.means), ".", ms=2.5, color=BIN_COLOUR)
    axes.axvline(0.5, color=MARK_COLOUR, lw=0.8, ls=":")
    if page.vetting.weak_secondary_phase is not None:
        phase = page.vetting.weak_secondary_phase
        axes.axvline(phase if phase < 0.75 else phase - 1, color="0.45", lw=0.8, ls="--")
    axes.set_xlim(-0.25, 0.75)
    _limit_fold(axes, bins, page.vetting)
    axes.set_xlabel("orbital phase (dotted: 0.5; dashed: strongest other dip)")
    axes.set_ylabel("flux − 1 [ppm]")


def _draw_transit(axes: Axes, page: ReportPage) -> None:
    vetting = page.vetting
    half = _half_width(vetting)
    offsets = vetting.signal.offsets(page.searched.times)
    near = np.abs(offsets) <= half
    _plot_samples(axes, Series(offsets[near] * 24, to_ppm(page.searched.fluxes[near])), most=5000)
    bins = bin_fold(offsets, page.searched.fluxes, -half, half, TRANSIT_BINS)
    _plot_bins(axes, bins, vetting.scatter)
    fine = np.linspace(-half, half, 500)
    name = None
    if vetting.planet is not None:
        name, model = "planet", vetting.planet.model(fine, vetting.exposure)
    elif vetting.trapezoid is not None:
        name, model = "trapezoid", vetting.trapezoid.model(fine, vetting.exposure)
    if name is not None:
        axes.plot(fine * 24, to_ppm(model), color=MODEL_COLOUR, lw=1.3, zorder=5)
    axes.set_title("Transit" + (f" (red: {name} model)" if name else ""))
    axes.set_xlabel("time from mid-transit [h]")
    axes.set_ylabel("flux − 1 [ppm]")
    axes.set_xlim(-half * 24, half * 24)
    _limit_fold(axes, bins, vetting)


def _draw_parity(left: Axes, right: Axes, page: ReportPage) -> None:
    vetting = page.vetting
    half = 0.75 * _half_width(vetting)
    offsets = vetting.signal.offsets(page.searched.times)
    odd = find_odd(page.searched.times, vetting.signal)
    fluxes = page.searched.fluxes
    level = vetting.trapezoid.baseline if vetting.trapezoid is not None else 1.0
    for axes, name, chosen, depth in ((left, "Odd", odd, vetting.odd), (right, "Even", ~odd, vetting.even)):
        near = chosen & (np.abs(offsets) <= half)
        _plot_samples(axes, Series(offsets[near] * 24, to_ppm(fluxes[near])), most=3000)
        _plot_bins(axes, bin_fold(offsets[chosen], fluxes[chosen], -half, half, 25), vetting.scatter)
        if depth is not None:
            bottom, error = (level - 1 - depth.value) * 1e6, depth.error * 1e6
            axes.axhline(bottom, color=MODEL_COLOUR, lw=1.0)
            axes.axhspan(bottom - error, bottom + error, color=MODEL_COLOUR, alpha=0.2, lw=0)
        axes.set_title(name if near.any() else f"{name}: none")
        axes.set_xlim(-half * 24, half * 24)
        axes.set_xlabel("[h]")
        axes.tick_params(labelleft=False)


def _draw_secondary(axes: Axes, page: ReportPage) -> None:
    vetting = page.vetting
    half = _half_width(vetting)
    times, period = page.searched.times, vetting.signal.period
    shifted = TransitSignal(period, vetting.signal.epoch + period / 2, vetting.signal.duration, 0.0)
    offsets = shifted.offsets(times)
    bins = bin_fold(offsets, page.searched.fluxes, -half, half, 30)
    _plot_bins(axes, bins, vetting.scatter)
    axes.axvline(0, color=MARK_COLOUR, lw=0.8, ls=":")
    axes.set_title("Secondary, phase 0.5")
    axes.set_xlabel("time from phase 0.5 [h]")
    axes.set_xlim(-half * 24, half * 24)
    if bins.means.size:
        spread = max(float(np.ptp(bins.means)), 4 * float(np.median(bins.errors(vetting.scatter))), 1e-9)
        middle = float(np.median(bins.means))
        axes.set_ylim(*to_ppm(np.array([middle - 0.9 * spread, middle + 0.9 * spread])))


def _draw_table(axes: Axes, numbers: list[tuple[str, str]]) -> None:
    axes.set_axis_off()
    rows = max(len(numbers), 12)
    for index, (name, value) in enumerate(numbers):
        height = 1.03 - index * 1.12 / rows
        axes.text(0.06, height, shorten(name, 26), transform=axes.transAxes, va="top", fontsize=7.2, color="0.3")
        axes.text(1.0, height, shorten(value, 30), transform=axes.transAxes, va="top", ha="right", fontsize=7.2)


# --- Strokes that panels share


def _plot_samples(axes: Axes, series: Series, *, most: int = MAX_POINTS) -> None:
    """Draw single samples: large dots where there are few, small ones where they would merge."""
    shown = series.thin(most)
    size = float(np.clip(160 / np.sqrt(max(shown.times.size, 1)), 1.1, 3.0))
    axes.plot(shown.times, shown.fluxes, ".", ms=size, color=SAMPLE_COLOUR, mew=0, rasterized=True)


def _plot_bins(axes: Axes, bins: FoldBins, scatter: float) -> None:
    """Draw bins of a fold in [d] against hours, with error bars."""
    errors = bins.errors(scatter) * 1e6
    axes.errorbar(bins.centres * 24, to_ppm(bins.means), errors, fmt=".", ms=3.5, lw=0.7, color=BIN_COLOUR, zorder=4)


def _mark_transits(axes: Axes, middles: FloatArray) -> None:
    """Put a small triangle below each transit."""
    heights, size = np.full(middles.size, 0.035), 3.2 if middles.size <= 150 else 1.5
    axes.plot(middles, heights, "^", ms=size, color=MARK_COLOUR, mew=0, transform=axes.get_xaxis_transform())


def _half_width(vetting: Vetting) -> float:
    """Half the width of the panels around transit [d]."""
    return min(1.8 * max(vetting.signal.duration, vetting.candidate.duration), vetting.signal.period / 2)


def _limit_fold(axes: Axes, bins: FoldBins, vetting: Vetting) -> None:
    """Frame the binned fold, with air for its error bars and for the scatter."""
    if not bins.means.size:
        return
    errors = bins.errors(vetting.scatter)
    low, high = float((bins.means - 2 * errors).min()), float((bins.means + 2 * errors).max())
    low = min(low, 1 - 1.15 * vetting.signal.depth)
    spread = max(high - low, 1e-9)
    high = max(high, 1 + min(2.5 * vetting.scatter, 0.5 * spread))
    axes.set_ylim(*to_ppm(np.array([low - 0.1 * spread, high + 0.1 * spread])))


def _number_log_axis(axes: Axes, low: float, high: float) -> None:
    """Label a logarithmic period axis with plain numbers."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    steps = (1, 2, 5) if high / low > 12 else (1, 1.5, 2, 3, 4, 5, 7)
    ticks = [step * 10.0**power for power in range(-3, 5) for step in steps if low <= step * 10.0**power <= high]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
