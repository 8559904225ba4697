"""Metadata: small named values that travel with tasks, attempts and product versions.

A value keeps the type it was given: an ``int`` stays an ``int``, a ``bool`` a ``bool`` and a numeric string a
string. What a value may be says `eas.contracts.values`.
"""

from __future__ import annotations

from typing import Any

#: One metadata value as JSON has it: null, bool, int, float, str, or a list or object of these.
MetadataValue = Any
Metadata = dict[str, MetadataValue]

MAX_KEYWORD_LENGTH = 64
