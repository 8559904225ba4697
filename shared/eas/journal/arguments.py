"""The arguments of a log call as plain JSON of bounded size. Whatever they are, nothing here raises."""

from __future__ import annotations

import math
import operator
import reprlib
from collections.abc import Mapping
from typing import Any

MAX_ARGUMENTS = 32
MAX_TEXT = 1024
_INT64 = 2**63

JsonScalar = str | int | float | bool | None

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = MAX_TEXT
_repr.maxlist = _repr.maxtuple = _repr.maxset = _repr.maxfrozenset = _repr.maxdict = _repr.maxarray = 16


def plain_arguments(arguments: object) -> list[Any] | None:
    """Turn ``LogRecord.args`` into JSON values.

    Parameters
    ----------
    arguments
        A tuple of anything; or, for templates such as ``%(period)s``, one mapping.

    Returns
    -------
    list or None
        None where there are none. Numbers and short texts stay what they are, a mapping stays one, and everything else,
        NaN and infinity among it, becomes its (shortened) representation.
    """
    if not arguments:
        return None
    if isinstance(arguments, Mapping):
        return [{str(key)[:MAX_TEXT]: _plain(value) for key, value in list(arguments.items())[:MAX_ARGUMENTS]}]
    if not isinstance(arguments, tuple):
        return [_plain(arguments)]
    kept = [_plain(argument) for argument in arguments[:MAX_ARGUMENTS]]
    return [*kept, f"[… {len(arguments) - MAX_ARGUMENTS} more …]"] if len(arguments) > MAX_ARGUMENTS else kept


def _plain(value: object) -> JsonScalar:
    kind = type(value)
    if kind is str:
        return _short(str(value))
    if value is None or kind is bool:
        return value  # type: ignore[return-value]
    try:
        if kind.__name__ == "bool":  # numpy's, which is neither an integer nor a float
            return bool(value)
        if not hasattr(value, "__len__"):
            number = _number(value)
            if number is not None:
                return number
        return _short(str(value) if isinstance(value, str) else _repr.repr(value))
    except Exception as error:
        return f"<{kind.__name__} that cannot be shown: {type(error).__name__}>"


def _number(value: object) -> int | float | str | None:
    """Read a number of any kind; as text where JSON or a database has no such number, None where it is none."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
        return number if -_INT64 <= number < _INT64 else _short(str(number))
    except TypeError:
        pass
    try:
        real = float(value)  # type: ignore[arg-type]
        return real if math.isfinite(real) else str(real)
    except TypeError:
        return None


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}[… {len(text) - MAX_TEXT} characters cut …]"
