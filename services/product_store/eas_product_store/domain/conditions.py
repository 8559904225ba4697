"""Comparisons of metadata in words: ``metadata.period > 3``, ``metadata.star = 'HD 1'``, ``metadata.rms exists``."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

from eas.contracts.errors import InvalidInputError
from eas.contracts.metadata import MAX_KEYWORD_LENGTH

#: Each more has to be tried on every product that meets those before.
MAX_CONDITIONS = 16
MAX_CONDITION_LENGTH = 1024

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "exists", "missing"]

_KEY = r'(?:[^\W\d][\w-]*|"[^"\\\x00-\x1f]+")'
_CONDITION = re.compile(
    rf"\s*metadata\.(?P<path>{_KEY}(?:\.{_KEY})*)\s*"
    r"(?:(?P<operator>==|=|!=|<=|>=|<|>)\s*(?P<value>\S.*?)|(?P<presence>exists|missing))\s*",
    re.DOTALL,
)
_PART = re.compile(_KEY)
_QUOTED = re.compile(r"'((?:[^']|'')*)'")
_EXPECTED = (
    "expected metadata.NAME, then =, !=, <, <=, > or >= and a number, 'text', true, false or null; "
    "or metadata.NAME exists, or metadata.NAME missing"
)


@dataclass(frozen=True)
class MetadataCondition:
    """A condition on one value of metadata.

    A comparison holds only for values of its own type: a number is compared with numbers (whole or not), a text with
    texts (by code point), and what is not there meets nothing but ``missing``.

    Parameters
    ----------
    path
        The keyword, and for a value inside an object the keys below it.
    operator
        How to compare.
    value
        With what; None also for ``null``, and where the operator needs none.
    """

    path: tuple[str, ...]
    operator: Operator
    value: bool | int | float | str | None = None


def read_conditions(texts: Sequence[str], where: str) -> tuple[MetadataCondition, ...]:
    """Read conditions, all of which are to be met.

    Raises
    ------
    InvalidInputError
        One cannot be read, or there are more than `MAX_CONDITIONS`.
    """
    if len(texts) > MAX_CONDITIONS:
        raise InvalidInputError(f"expected at most {MAX_CONDITIONS} conditions", where=where)
    return tuple(_read_condition(text, f"{where}[{index}]") for index, text in enumerate(texts))


def _read_condition(text: str, where: str) -> MetadataCondition:
    match = _CONDITION.fullmatch(text) if len(text) <= MAX_CONDITION_LENGTH else None
    if match is None:
        raise InvalidInputError(f"{text[:80]!r}: {_EXPECTED}", where=where)
    path = tuple(part.strip('"') for part in _PART.findall(match["path"]))
    if any(len(part) > MAX_KEYWORD_LENGTH for part in path):
        raise InvalidInputError(f"a keyword has at most {MAX_KEYWORD_LENGTH} characters", where=where)
    if match["presence"] is not None:
        return MetadataCondition(path, "exists" if match["presence"] == "exists" else "missing")
    operator = _read_operator(match["operator"])
    value = _read_value(match["value"], where)
    if operator not in {"=", "!="} and (value is None or isinstance(value, bool)):
        raise InvalidInputError(f"{text[:80]!r}: only numbers and texts have an order", where=where)
    return MetadataCondition(path, operator, value)


def _read_operator(text: str) -> Operator:
    known: dict[str, Operator] = {"==": "=", "=": "=", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
    return known[text]


def _read_value(text: str, where: str) -> bool | int | float | str | None:
    if quoted := _QUOTED.fullmatch(text):
        return quoted[1].replace("''", "'")
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{text[:80]!r}: {_EXPECTED}", where=where) from error
    match value:
        case None | bool() | str():
            return value
        case int() if -(2**63) <= value < 2**63:
            return value
        case float() if math.isfinite(value):
            return value
    raise InvalidInputError(f"{text[:80]!r}: {_EXPECTED}; numbers within 64 bits", where=where)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
