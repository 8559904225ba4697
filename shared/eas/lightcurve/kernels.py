"""Compiled kernels: used where they are loaded already, or where the work is worth loading them."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

#: All modules that have some. To import numba takes up to a second; workers do it before they fork their children.
KERNEL_MODULES = (
    "eas.lightcurve.number_parser",
    "eas.lightcurve.raster_kernel",
    "eas.lightcurve.rebin_kernel",
)


def find_kernel(name: str, *, worth_loading: bool) -> ModuleType | None:
    """Find one of `KERNEL_MODULES`; None where it is not loaded nor worth that, or numba is not installed."""
    if not worth_loading and name not in sys.modules:
        return None
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def load_kernels() -> None:
    """Load all kernels now. Raises ImportError without numba."""
    for name in KERNEL_MODULES:
        importlib.import_module(name).load_kernels()
