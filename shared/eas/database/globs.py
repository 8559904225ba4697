"""Match texts with shell patterns, on every engine as SQLite's GLOB does.

``*`` is any text, ``?`` one character, ``[a-z]`` one of these, ``[^a-z]`` one other; case counts, and a character is a
code point. Servers match a regular expression of the same meaning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Boolean, ColumnElement, String, TypeDecorator, literal
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

#: A set of characters: ranges of code points, and whether it is all others.
_Set = tuple[tuple[tuple[int, int], ...], bool]
#: One character, one of a set, or any one (None).
_Part = str | _Set | None


class _Pattern(TypeDecorator[str]):
    """A pattern, bound as what the engine matches with."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Translate it."""
        if value is None or dialect.name == "sqlite":
            return value
        return translate_glob(value, dialect.name)


class match_glob(FunctionElement[bool]):  # noqa: N801 - it is used as a function
    """The condition that a whole text matches a pattern.

    Parameters
    ----------
    text
        A column, say.
    pattern
        The pattern; one with a set that does not end matches nothing.
    """

    name = "match_glob"
    type = Boolean()
    inherit_cache = True

    def __init__(self, text: ColumnElement[Any], pattern: str) -> None:
        super().__init__(text, literal(pattern, _Pattern()))


@compiles(match_glob)
def _compile_glob(element: match_glob, compiler: Any, **options: Any) -> str:
    text, pattern = (compiler.process(part, **options) for part in element.clauses)
    operator = {"sqlite": "GLOB", "postgresql": "~"}.get(compiler.dialect.name, "REGEXP")
    return f"({text} {operator} {pattern})"


def translate_glob(pattern: str, dialect_name: str) -> str:
    """Write a pattern as a regular expression of PostgreSQL, or of MariaDB and MySQL."""
    parsed = _parse(pattern.partition("\0")[0])
    if dialect_name == "postgresql":
        return ".^" if parsed is None else f"^{'.*'.join(_write(part, _POSTGRESQL) for part in parsed)}$"
    if parsed is None:
        return "(?!)"
    first, *rest = (_write(part, _PERL) for part in parsed)
    if not rest:
        return rf"(?s-imx)\A{first}\z"
    # Where a part between stars fits first, it may stay: nothing that follows could be gained by going on. So it is
    # not tried again, and a pattern of many stars does not take for ever.
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1])
    return rf"(?s-imx)\A{first}{middle}.*{rest[-1]}\z"


#: How one character is written by its code point, of 4 digits or more.
_POSTGRESQL = (r"\u{:04x}", r"\U{:08x}")
_PERL = (r"\x{{{:x}}}", r"\x{{{:x}}}")


def _write(parts: Sequence[_Part], style: tuple[str, str]) -> str:
    return "".join(_write_part(part, style) for part in parts)


def _write_part(part: _Part, style: tuple[str, str]) -> str:
    if part is None:
        return "."
    if isinstance(part, str):
        return part if part.isascii() and part.isalnum() else _write_point(ord(part), style)
    ranges, others = part
    if not ranges:
        return "."  # all others than none
    written = "".join(f"{_write_point(first, style)}-{_write_point(last, style)}" for first, last in ranges)
    return f"[{'^' if others else ''}{written}]"


def _write_point(point: int, style: tuple[str, str]) -> str:
    return style[point > 0xFFFF].format(point)


def _parse(pattern: str) -> list[list[_Part]] | None:
    """Read a pattern: what is before, between and after its stars. None where it matches nothing."""
    found: list[list[_Part]] = [[]]
    rest = iter(pattern)
    for character in rest:
        match character:
            case "*":
                found.append([])
            case "?":
                found[-1].append(None)
            case "[":
                part = _parse_set(rest)
                if part is None or part == ((), False):
                    return None
                found[-1].append(part)
            case _:
                found[-1].append(character)
    return found


def _parse_set(rest: Iterator[str]) -> _Set | None:
    """Read a set behind its bracket. None where it does not end."""
    text = next(rest, "")
    others = text == "^"
    if others:
        text = next(rest, "")
    inside = ""
    may_close = False  # a bracket that comes first is one of the set
    while text and not (text == "]" and may_close):
        inside += text
        may_close = True
        text = next(rest, "")
    return (tuple(_read_ranges(inside)), others) if text else None


def _read_ranges(inside: str) -> Iterator[tuple[int, int]]:
    """Read what is between the brackets. A hyphen is one of the set unless it has a character on either side."""
    first, rest = inside[:1], inside[1:]
    if first == "]":  # never the beginning of a range
        yield ord(first), ord(first)
    else:
        rest = inside
    before = ""
    position = 0
    while position < len(rest):
        character = rest[position]
        if character == "-" and before and position + 1 < len(rest):
            position += 1
            if before <= rest[position]:
                yield ord(before), ord(rest[position])
            before = ""
        else:
            yield ord(character), ord(character)
            before = character
        position += 1
