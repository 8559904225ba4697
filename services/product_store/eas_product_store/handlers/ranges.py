"""Conditions and ranges of a GET (RFC 9110), for one strong entity tag."""

from __future__ import annotations

import re

from starlette.datastructures import Headers

from eas.contracts.errors import PreconditionError, RangeError

_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)
#: An entity tag: whether it is weak, and what it says.
_TAG = re.compile(r'(W/)?("[^"]*")')


def read_list(headers: Headers, name: str) -> str | None:
    """Read a header that is a list, which may have come in several lines; None if there is none."""
    lines = headers.getlist(name)
    return ", ".join(lines) if lines else None


def check_if_match(if_match: str | None, tag: str) -> None:
    """Raise PreconditionError where the caller means another version than that of a strong `tag`.

    ``If-Unmodified-Since`` is ignored, as it has to be where there is no date of modification.
    """
    if if_match is None or if_match.strip() == "*":
        return
    if ("", tag) not in _TAG.findall(if_match):
        message = f"the content's ETag is {tag}, which is not among those of If-Match ({if_match})"
        raise PreconditionError(message, where="header.If-Match")


def is_unchanged(if_none_match: str | None, tag: str) -> bool:
    """Tell whether the caller already has what `tag` names."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or any(found == tag for _, found in _TAG.findall(if_none_match))


def read_range(header: str | None, if_range: str | None, tag: str, size: int) -> tuple[int, int] | None:
    """Find the bytes asked for, as (first, length), or None for all of them.

    A range that is malformed, one of several, or meant for another version (`if_range`) is left out of account, as the
    standard allows: the answer is then the whole. So it is for the last bytes of an empty content.

    Raises
    ------
    RangeError
        The range lies beyond the end.
    """
    if header is None or (if_range is not None and if_range.strip() != tag):
        return None
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.groups() == ("", ""):
        return None
    start, end = match.groups()
    if not start:
        if size == 0 and int(end) > 0:
            return None  # a suffix of some length is the whole, as empty as it is
        length = min(int(end), size)
        first, last = size - length, size - 1
    else:
        first, last = int(start), min(int(end) if end else size - 1, size - 1)
        if end and int(end) < int(start):
            return None
    if first > last or size == 0:
        raise RangeError(f"the content has {size} bytes; {header!r} lies beyond them", where="header.Range")
    return first, last - first + 1
