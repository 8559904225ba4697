"""The cells of a row of text, and the numbers in them, as spreadsheets, statisticians and Fortran write them."""

from __future__ import annotations

import csv
import math
import re

#: What stands in a cell without a value.
MISSING = frozenset(
    {
        *("", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "nil", "nat", "-", "--", "---", "\u2013", "\u2014"),
        *("?", ".", "..", "...", "*", "undef", "indef", "undefined", "missing", "masked", "nd", "n.d.", "-nan", "+nan"),
        *("#num!", "#div/0!", "#value!", "#ref!", "#null!", "1.#qnan", "-1.#ind", "1.#ind", "nan(ind)", "-nan(ind)"),
        *("\\n", "1.#qnan0", "-1.#ind00", "#n/a n/a", "no data", "nodata"),
    }
)
_FORTRAN = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))[dDqQ]([+-]?\d+)")
_BARE_EXPONENT = re.compile(r"([+-]?\d*\.\d+)([+-]\d{3})")
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eEdD][+-]?\d+)?")
_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}|\d{1,2}:\d{2}")
_GOOD_WORDS = frozenset({"g", "good", "ok", "false", "f", "no", "n"})
_BAD_WORDS = frozenset({"b", "bad", "x", "true", "t", "yes", "y", "p", "poor"})


def split_cells(text: str, delimiter: str | None) -> list[str]:
    """Split a line into its cells, blanks and quotes around them removed.

    Parameters
    ----------
    text
        The line.
    delimiter
        Between cells; None for blanks.
    """
    if '"' in text:
        if delimiter is None:
            return [cell.strip('"') for cell in re.findall(r'"[^"]*"|\S+', text)]
        return [cell.strip() for cell in next(csv.reader([text], delimiter=delimiter, skipinitialspace=True))]
    if delimiter == "|":
        text = text.strip().removeprefix("|").removesuffix("|")
    return [cell.strip().strip("'") for cell in text.split(delimiter)]


def parse_number(text: str, *, decimal_comma: bool = False) -> float | None:
    """Parse a number; NaN for a missing one, None for something else.

    Parameters
    ----------
    text
        A cell.
    decimal_comma
        Whether a comma separates the decimals.
    """
    plain = text.strip().strip("\u00a0")
    if decimal_comma and "," in plain:
        if "." in plain or plain.count(",") > 1:
            return None
        plain = plain.replace(",", ".")
    try:
        return float(plain) if "_" not in plain else None
    except ValueError:
        pass
    if plain.lower() in MISSING or (plain and not plain.strip("*")):
        return math.nan
    if match := _FORTRAN.fullmatch(plain) or _BARE_EXPONENT.fullmatch(plain):
        return float(f"{match[1]}e{match[2]}")
    return None


def parse_flag(text: str, *, decimal_comma: bool = False) -> float | None:
    """Parse a cell of a quality column: a number, or a letter or word such as G, bad or True (which flags)."""
    word = text.strip().lower()
    if word in _GOOD_WORDS:
        return 0.0
    if word in _BAD_WORDS:
        return 1.0
    return parse_number(text, decimal_comma=decimal_comma)


def has_decimal_comma(cell: str) -> bool:
    """Tell whether a cell is a number with a decimal comma."""
    return _DECIMAL_COMMA.fullmatch(cell.strip()) is not None


def is_date(text: str) -> bool:
    """Tell whether a cell is a calendar date or a time of day."""
    return (
        re.match(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}|\d{1,2}:\d{2}", text.strip()) is not None
    )
