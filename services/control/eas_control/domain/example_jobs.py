"""The job documents that the demonstration submits."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

#: Files of a folder that are taken for light curves.
LIGHT_CURVE_SUFFIXES = (".fits", ".fit", ".fits.gz", ".csv", ".csv.gz")


def choose_light_curves(names: Iterable[str]) -> list[str]:
    """Choose, by their names, the files that may be light curves."""
    return sorted(name for name in names if name.lower().endswith(LIGHT_CURVE_SUFFIXES) and not name.startswith("."))


def write_literal(text: str) -> str:
    """Write a text for a job document such that the job language takes it as it is, and for no expression."""
    return repr(text) if text.strip() != text or text[:1] in ("'", '"', "(") else text


def fill_light_curves(template: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Make the job for some files from `examples/light_curves.json`: its loop runs over their names."""
    document = copy.deepcopy(template)
    document["task_list"][0]["values"] = [write_literal(name) for name in names]
    return document
