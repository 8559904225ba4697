"""Numbers with their units, for people."""

from __future__ import annotations


def show_quantity(value: float, unit: str) -> str:
    """Write a value with its unit; seconds in minutes, hours or days where these fit better."""
    for name, length in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if unit == "s" and value >= 2 * length:
            return f"{value / length:.3g} {name}"
    return f"{value:.2g} {unit}"
