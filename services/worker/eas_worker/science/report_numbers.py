"""The numbers of a candidate's report: as metadata for machines, as rows of a table for readers."""

from __future__ import annotations

import math
from collections.abc import Mapping

from eas.contracts.metadata import Metadata, MetadataValue
from eas_worker.science.vetting import Depth, Vetting


def list_numbers(vetting: Vetting, star_radius: float | None) -> Metadata:
    """Collect what was measured; what could not be measured is left out.

    Parameters
    ----------
    vetting
        The measurements.
    star_radius
        [solar], None where unknown.

    Returns
    -------
    Metadata
        Times in days, depths in ppm, radii in the units that their names say.
    """
    numbers: Metadata = {
        "period": vetting.candidate.period,
        "epoch": vetting.candidate.epoch,
        "duration": vetting.candidate.duration,
        "transit_count": vetting.transit_count,
        "scatter_ppm": vetting.scatter * 1e6,
        "odd_even_sigma": vetting.odd_even_sigma,
        "radius_ratio": vetting.radius_ratio,
        "weak_secondary_phase": vetting.weak_secondary_phase,
        "model": "planet" if vetting.planet else "trapezoid" if vetting.trapezoid else "none",
    }
    depths = {
        "depth": vetting.depth,
        "odd_depth": vetting.odd,
        "even_depth": vetting.even,
        "secondary_depth": vetting.secondary,
        "weak_secondary_depth": vetting.weak_secondary,
    }
    for name, depth in depths.items():
        if depth is not None:
            numbers |= {f"{name}_ppm": depth.value * 1e6, f"{name}_error_ppm": depth.error * 1e6}
    if vetting.depth is not None:
        numbers["snr"] = vetting.depth.significance
    if vetting.secondary is not None:
        numbers["secondary_sigma"] = vetting.secondary.significance
    if vetting.weak_secondary is not None:
        numbers["weak_secondary_sigma"] = vetting.weak_secondary.significance
    if vetting.trapezoid is not None:
        fit = vetting.trapezoid
        numbers |= {
            "fitted_period": fit.signal.period,
            "fitted_period_error": fit.period_error,
            "fitted_epoch": fit.signal.epoch,
            "fitted_duration": fit.signal.duration,
            "fitted_ingress": fit.ingress,
        }
    if star_radius is not None:
        numbers["star_radius_solar"] = star_radius
        numbers["planet_radius_earth"] = vetting.planet_radius(star_radius, unit="earth")
        numbers["planet_radius_jupiter"] = vetting.planet_radius(star_radius, unit="jupiter")
    return {
        name: value
        for name, value in numbers.items()
        if value is not None and not (isinstance(value, float) and not math.isfinite(value))
    }


def list_rows(
    vetting: Vetting, star_radius: float | None, candidate: Mapping[str, MetadataValue], time_system: str
) -> list[tuple[str, str]]:
    """Write the table: names, and values with units.

    Parameters
    ----------
    vetting, star_radius
        As for `list_numbers`.
    candidate
        The metadata of the search, for its statistics and its outcome.
    time_system
        Of the epoch.
    """
    rows = [("Period (search)", f"{vetting.candidate.period:.6f} d")]
    if (fit := vetting.trapezoid) is not None:
        error = f" ± {fit.period_error:.6f}" if math.isfinite(fit.period_error) else ""
        rows.append(("Period (fit)", f"{fit.signal.period:.6f}{error} d"))
    rows += [
        (
            "Epoch" if time_system in ("relative", "unknown") else f"Epoch ({time_system})",
            f"{vetting.signal.epoch:.5f} d",
        ),
        ("Duration (search)", f"{vetting.candidate.duration * 24:.2f} h"),
    ]
    if fit is not None:
        rows.append(("Duration, ingress (fit)", f"{fit.signal.duration * 24:.2f} h, {fit.ingress * 24:.2f} h"))
    rows += [
        ("Depth", _show_depth(vetting.depth)),
        ("SNR of depth", _show(vetting.depth.significance if vetting.depth else None, ".1f")),
        ("Transits with data", str(vetting.transit_count)),
        ("Scatter per sample", f"{vetting.scatter * 1e6:.0f} ppm"),
        ("Odd depth", _show_depth(vetting.odd)),
        ("Even depth", _show_depth(vetting.even)),
        ("Odd − even", _show(vetting.odd_even_sigma, ".1f", "σ")),
        ("Secondary at phase 0.5", _show_depth(vetting.secondary)),
        ("Strongest other dip", _show_depth(vetting.weak_secondary)),
        ("   its phase, significance", _show_place(vetting)),
        ("Rp / R*", _show(vetting.radius_ratio, ".4f")),
    ]
    if star_radius is not None:
        earths, jupiters = (vetting.planet_radius(star_radius, unit=unit) for unit in ("earth", "jupiter"))
        rows.append((f"Rp (R* = {star_radius:.3g} Rsun)", f"{_show(earths, '.2f')} Re, {_show(jupiters, '.3f')} Rj"))
    for keyword, name in (("sde", "SDE of the search"), ("mes", "MES injected")):
        if isinstance(value := candidate.get(keyword), int | float):
            rows.append((name, f"{value:.2f}"))
    if "outcome" in candidate:
        rows.append(("Outcome", str(candidate["outcome"])))
    if isinstance(target := candidate.get("target_period"), int | float):
        rows.append(("Injected period", f"{target:.6f} d"))
    return rows


def _show(value: float | None, form: str, unit: str = "") -> str:
    return "—" if value is None else f"{value:{form}} {unit}".rstrip()


def _show_depth(depth: Depth | None) -> str:
    return "—" if depth is None else f"{round(depth.value * 1e6)} ± {depth.error * 1e6:.0f} ppm"


def _show_place(vetting: Vetting) -> str:
    if vetting.weak_secondary is None or vetting.weak_secondary_phase is None:
        return "—"
    return f"{vetting.weak_secondary_phase:.3f}, {vetting.weak_secondary.significance:.1f} σ"
