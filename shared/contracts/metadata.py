"""Metadata: small named values that travel with tasks, attempts and product versions.

A value keeps the type it was given: an ``int`` stays an ``int``, a ``bool`` a ``bool`` and a numeric string a
string. NaN and infinity have no JSON form, so they are refused where metadata enters the system.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

#: One metadata value as JSON has it: null, bool, int, float, str, or a list or object of these.
MetadataValue = Any
Metadata = dict[str, MetadataValue]

MAX_KEYWORD_LENGTH = 64


def find_non_finite(value: MetadataValue, where: str = "") -> str | None:
    """Say where the first NaN or infinity inside `value` is, as a dotted path, or None if all is finite."""
    match value:
        case float() if not math.isfinite(value):
            return where or "value"
        case Mapping():
            pairs = [(f"{where}.{key}" if where else str(key), item) for key, item in value.items()]
        case list() | tuple():
            pairs = [(f"{where}[{index}]", item) for index, item in enumerate(value)]
        case _:
            return None
    for path, item in pairs:
        if (found := find_non_finite(item, path)) is not None:
            return found
    return None
