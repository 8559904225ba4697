"""Comparisons with typed fields, as callers write them: ``period>=3.5``, ``star=TIC 261136679``, ``flag=true``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum

import orjson

from eas.contracts.errors import InvalidInputError

_FORM = re.compile(r"(?s)\s*([^<>=!\"\0]{1,200}?)\s*(<=|>=|!=|=|<|>)\s*(.*?)\s*")


class Comparison(StrEnum):
    """How a field is compared with a value."""

    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="


@dataclass(frozen=True)
class FieldCondition:
    """One comparison. Only values of the same kind compare; a record without the field never matches."""

    name: str
    comparison: Comparison
    value: str | int | float | bool


def parse_condition(text: str) -> FieldCondition:
    """Read a comparison.

    Raises
    ------
    InvalidInputError
        It is none, or it asks which of two truth values is the greater.
    """
    found = _FORM.fullmatch(text)
    if not found:
        raise InvalidInputError(f"{text!r} is no comparison; expected such as period>=3.5", where="query.field")
    name, comparison, value = found[1], Comparison(found[2]), _read_value(found[3])
    if isinstance(value, bool) and comparison not in (Comparison.EQUAL, Comparison.UNEQUAL):
        raise InvalidInputError(f"{text!r}: truth values are equal or not; expected = or !=", where="query.field")
    return FieldCondition(name, comparison, value)


def _read_value(text: str) -> str | int | float | bool:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    if isinstance(value, int | float) and math.isfinite(float(value)):
        return float(value)
    return text
