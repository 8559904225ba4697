"""What a value may be, wherever one comes in: from a client, an expression, a task, quality control, a program.

A value is null, true or false, a whole number, a number, a text, or a list or an object of values. Python, JSON and the
databases bear more than that, but not the same; what all of them bear is written here, and nowhere else:

* whole numbers from -2^63 to 2^63 - 1 (64 bits with the sign: what the databases' integers, orjson and the log have),
* finite numbers: JSON has neither NaN nor infinity,
* texts without lone surrogates, which have no UTF-8 form,
* at most `MAX_LEVELS` lists and objects inside each other: pydantic reads 200 levels, orjson writes 254, Python's
  recursion ends near 1000, and MySQL looks into 100,
* at most `MAX_KEYS` keys in an object, each of at most `MAX_KEY_LENGTH` characters.

How long a value may be as JSON depends on what it is for: see the constants whose names end with ``_BYTES``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

#: Lists and objects inside each other, the outermost counted.
MAX_LEVELS = 64
MIN_INTEGER = -(2**63)
MAX_INTEGER = 2**63 - 1
MAX_KEYS = 10_000
#: [characters]
MAX_KEY_LENGTH = 256

#: Most metadata that a product or a version can carry, and so most that a task can inherit, as JSON [bytes].
MAX_METADATA_BYTES = 32_768
#: Most that the settings of one task can be, expressions evaluated, as JSON [bytes].
MAX_SETTINGS_BYTES = 4 << 20
#: Most that a task can return as its result, as JSON [bytes].
MAX_RESULT_BYTES = 1 << 20

#: A place is written out up to so many characters; of a longer one the middle is left out.
_MAX_PLACE = 160

#: A place inside a value: keys and indices, from the outside.
Place = tuple[str | int, ...]
#: The same while it is looked for: the place of the holder, and the last step.
_Trail = tuple[Any, Any] | None


@dataclass(frozen=True, slots=True)
class ValueFault:
    """What is wrong with a value.

    Parameters
    ----------
    slug
        ``invalid_number``, ``not_finite``, ``invalid_text``, ``invalid_key``, ``invalid_type``, ``too_deep`` or
        ``too_large``.
    place
        Keys and indices from the outside to what is wrong.
    message
        What is wrong there, and the limit.
    """

    slug: str
    place: Place
    message: str

    @property
    def where(self) -> str:
        """The place as a dotted path, such as ``fit.depths[1]``; empty where the value as a whole is at fault."""
        return write_place(self.place)

    @property
    def is_not_finite(self) -> bool:
        """Whether it is NaN or infinity."""
        return self.slug == "not_finite"

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.place else self.message


def find_value_fault(
    value: object, *, levels: int = MAX_LEVELS, key_length: int = MAX_KEY_LENGTH, most_bytes: int | None = None
) -> ValueFault | None:
    """Find the first thing, from the outside, that keeps a value from being stored and sent unchanged.

    It takes one pass and no recursion, whatever the value is.

    Parameters
    ----------
    value
        Anything.
    levels
        Most lists and objects inside each other.
    key_length
        Most characters of a key.
    most_bytes
        Most bytes as JSON; None: any number.

    Returns
    -------
    ValueFault or None
        None where all is well.
    """
    fault = _find_fault_inside(value, levels, key_length)
    if fault is None and most_bytes is not None:
        fault = _find_excess(value, most_bytes)
    return fault


def _find_fault_inside(value: object, levels: int, key_length: int) -> ValueFault | None:
    kind = type(value)
    if kind is not dict and kind is not list:
        said = _describe_single(value)
        if said is not None:
            return ValueFault(said[0], (), said[1])
        if not isinstance(value, Mapping | list | tuple):
            return None
    holders: list[tuple[Any, int, _Trail]] = [(value, 1, None)]
    for holder, level, trail in holders:  # it grows meanwhile: containers are looked into level by level
        if level > levels:
            return ValueFault(
                "too_deep", _begin(_unroll(trail)), f"nested too deep: a value has at most {levels} levels"
            )
        if isinstance(holder, Mapping):
            if len(holder) > MAX_KEYS:
                message = f"an object of {len(holder)} keys; at most {MAX_KEYS} are allowed"
                return ValueFault("too_large", _unroll(trail), message)
            for key in holder:
                if type(key) is not str or len(key) > key_length or not key.isascii():
                    words = _describe_key(key, key_length)
                    if words is not None:
                        return ValueFault("invalid_key", _unroll(trail), words)
            items: Iterable[tuple[Any, Any]] = holder.items()
        else:
            items = enumerate(holder)
        for key, item in items:
            kind = type(item)
            if kind is str:
                if item.isascii():
                    continue
            elif kind is int:
                if MIN_INTEGER <= item <= MAX_INTEGER:
                    continue
            elif kind is float:
                if math.isfinite(item):
                    continue
            elif kind is dict or kind is list:
                holders.append((item, level + 1, (trail, key)))
                continue
            elif item is None or kind is bool:
                continue
            said = _describe_single(item)
            if said is not None:
                return ValueFault(said[0], _unroll((trail, key)), said[1])
            if isinstance(item, Mapping | list | tuple):
                holders.append((item, level + 1, (trail, key)))
    return None


def _describe_single(value: object) -> tuple[str, str] | None:
    """Say what is wrong with one value, whatever is inside it: the slug and the words."""
    match value:
        case None | bool() | Mapping() | list() | tuple():
            return None
        case str():
            return ("invalid_text", "a lone surrogate has no UTF-8 form") if _has_surrogate(value) else None
        case int():
            if MIN_INTEGER <= value <= MAX_INTEGER:
                return None
            return "invalid_number", f"{_shorten_number(value)}: whole numbers have at most 64 bits (-2^63 to 2^63 - 1)"
        case float():
            if math.isfinite(value):
                return None
            return "not_finite", f"{value} is not finite: JSON has neither NaN nor infinity"
        case _:
            return "invalid_type", f"{type(value).__name__} has no JSON form"


def _describe_key(key: object, most: int) -> str | None:
    if not isinstance(key, str):
        return f"a key that is no text: {key!r:.40}"
    if len(key) > most:
        return f"a key of {len(key)} characters ({key[:40]!r}…); at most {most} are allowed"
    return f"the key {key!r:.80} has a lone surrogate, which has no UTF-8 form" if _has_surrogate(key) else None


def _find_excess(value: object, most_bytes: int) -> ValueFault | None:
    """Find whether a sound value is too long as JSON, and which of its items is the longest."""
    size = len(orjson.dumps(value))
    if size <= most_bytes:
        return None
    place: Place = ()
    if isinstance(value, Mapping) and value:
        place = (max(value, key=lambda key: len(orjson.dumps(value[key]))),)
    return ValueFault("too_large", place, f"{size} bytes as JSON in all; at most {most_bytes} are allowed")


def _has_surrogate(text: str) -> bool:
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _shorten_number(value: int) -> str:
    # Python refuses to write integers of thousands of digits.
    return str(value) if value.bit_length() <= 128 else f"a number of {value.bit_length()} bits"


def _unroll(trail: _Trail) -> Place:
    steps: list[str | int] = []
    while trail is not None:
        trail, step = trail
        steps.append(step)
    return tuple(reversed(steps))


def _begin(place: Place) -> Place:
    """Leave out what says no more than that lists go on inside lists."""
    last = max((index for index, step in enumerate(place) if isinstance(step, str)), default=-1)
    return place[: last + 4]


def write_place(place: Place) -> str:
    """Write a place as a dotted path, such as ``fit.depths[1]``; of a very long one the middle is left out."""
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{_escape(step)}" for step in place).lstrip(".")
    return shorten_middle(path, _MAX_PLACE)


def shorten_middle(text: str, most: int) -> str:
    """Leave the middle of a text out where it has more than `most` characters."""
    if len(text) <= most:
        return text
    half = (most - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def _escape(key: str) -> str:
    return key if key.isascii() else key.encode("utf-8", "backslashreplace").decode()


def _check_values(values: Any) -> Any:
    fault = find_value_fault(values)
    if fault is not None:
        raise PydanticCustomError(fault.slug, "{message}", {"message": str(fault)})
    return values


#: An object of values that a wire model takes from a client; one that is not sound is refused with its place.
CheckedObject = Annotated[dict[str, Any], AfterValidator(_check_values)]

#: A whole number that every database can hold.
Integer = Annotated[int, Field(ge=MIN_INTEGER, le=MAX_INTEGER)]
#: A count, a size or an id that every database can hold.
Natural = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
#: A finite number.
Finite = Annotated[float, Field(allow_inf_nan=False)]
