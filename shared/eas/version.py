"""Which version of the suite this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def distribution_version() -> str:
    """Tell the installed version of the suite."""
    try:
        return version("plato-eas")
    except PackageNotFoundError:
        return "0+unknown"
