"""Metadata that comes from outside: read, checked and bounded."""

from __future__ import annotations

import json
from typing import NoReturn

from eas.contracts.errors import InvalidInputError, TooLargeError
from eas.contracts.metadata import MAX_KEYWORD_LENGTH, Metadata
from eas.contracts.values import MAX_METADATA_BYTES, find_value_fault


def check_metadata(metadata: Metadata, where: str) -> Metadata:
    """Refuse metadata that cannot be stored or that is too much; return it unchanged.

    Raises
    ------
    InvalidInputError
        Something in it is no value as `eas.contracts.values` says, or a keyword is empty or too long.
    TooLargeError
        It is longer than `MAX_METADATA_BYTES` as JSON.
    """
    fault = find_value_fault(metadata, most_bytes=MAX_METADATA_BYTES)
    if fault is not None:
        kind = TooLargeError if fault.slug == "too_large" else InvalidInputError
        raise kind(f"metadata {fault}", where=f"{where}.{fault.where}" if fault.place else where)
    for keyword in metadata:
        if not 0 < len(keyword) <= MAX_KEYWORD_LENGTH:
            raise InvalidInputError(
                f"keyword {keyword[:80]!r}: expected 1 to {MAX_KEYWORD_LENGTH} characters", where=where
            )
    return metadata


def read_metadata(text: str, where: str) -> Metadata:
    """Read metadata from a header and check it. See `check_metadata` for its errors."""
    if len(text) > 6 * MAX_METADATA_BYTES:
        raise TooLargeError(f"metadata has {len(text)} characters of JSON; that is too much", where=where)
    if not text.isascii():
        raise InvalidInputError("expected ASCII: write other characters as \\uXXXX", where=where)
    try:
        # Not orjson: it would turn an integer beyond 64 bits into a float without a word.
        document = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"expected a JSON object: {error}", where=where) from error
    if not isinstance(document, dict):
        raise InvalidInputError("expected a JSON object", where=where)
    return check_metadata(document, where)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
