"""Expressions of the job language: parsed to a syntax tree and walked; nothing is ever compiled or executed.

A string is an expression if its first character, after blanks, is a quote or an opening parenthesis. Every operation is
bounded, so that an expression can waste neither time nor memory: see `MAX_TEXT` and the constants after it. On the way
whole numbers may have `MAX_BITS`; what comes out in the end is a value as `eas.contracts.values` says.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Any

from eas.contracts.errors import InvalidExpressionError
from eas.contracts.metadata import Metadata
from eas.contracts.values import find_value_fault
from eas_scheduler.domain.job_language.constants import CONSTANTS, Constants

MAX_TEXT = 4096
#: Of trees of longer texts only a few are kept.
_SHORT_TEXT = 200
MAX_STEPS = 10_000
MAX_STRING = 65_536
MAX_ITEMS = 200_000
MAX_BITS = 1024
MAX_DEPTH = 100
#: Items of lists and objects, and 64 characters of texts, that all steps of one expression may give together.
MAX_WORK = 1_000_000
_MAX_FORMAT_WIDTH = 1000
_MAX_ROUNDING = 400

_OPENERS = frozenset("'\"(")

_RANDOM_METHODS = frozenset(
    {"random", "uniform", "triangular", "gauss", "normalvariate", "lognormvariate", "expovariate", "betavariate"}
    | {"randint", "randrange", "choice"}
)
_TEXT_METHODS = frozenset(
    {"format", "upper", "lower", "title", "capitalize", "strip", "lstrip", "rstrip", "replace", "startswith"}
    | {"endswith", "split", "zfill"}
)
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}


def _range(*bounds: int) -> list[int]:
    found = range(*bounds)
    if len(found) > MAX_ITEMS:
        raise InvalidExpressionError(f"range of {len(found)} items; the most is {MAX_ITEMS}")
    return list(found)


def _power(base: Any, exponent: Any) -> Any:
    _check_power(base, exponent)
    return base**exponent


def _text(value: Any) -> str:
    _check_size(value)
    return str(value)


def _integer(value: Any) -> int:
    if isinstance(value, str) and len(value) > 300:
        raise InvalidExpressionError("int() of a text longer than 300 characters")
    return int(value)


def _round(number: Any, ndigits: Any = None) -> Any:
    # Python works with ten to the power of the digits.
    if isinstance(ndigits, int) and abs(ndigits) > _MAX_ROUNDING:
        raise InvalidExpressionError(f"round() to {ndigits} digits; the most is {_MAX_ROUNDING}")
    return round(number, ndigits)


def _sum(items: Any, start: Any = 0) -> Any:
    if not isinstance(start, list):
        return sum(items, start)
    # Python would copy all that it has, once for each list.
    joined = list(start)
    for item in items:
        _check_sum(joined, item)
        joined += item
    return joined


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "all": all,
    "any": any,
    "bool": bool,
    "float": float,
    "int": _integer,
    "len": len,
    "list": list,
    "max": max,
    "min": min,
    "pow": _power,
    "range": _range,
    "round": _round,
    "sorted": sorted,
    "str": _text,
    "sum": _sum,
}


class UnknownMetadataError(Exception):
    """The expression needs the metadata of a task that has not run yet."""


@dataclass(frozen=True)
class Scope:
    """What an expression can see.

    Parameters
    ----------
    metadata
        The task's inherited metadata.
    requested_metadata
        Task name to that task's output metadata; None while those tasks have not run, in which case an expression
        that asks for it raises `UnknownMetadataError`.
    seed
        Of the ``random`` methods. Each `Scope` draws the same numbers in the same order.
    """

    metadata: Metadata
    requested_metadata: Mapping[str, Metadata] | None = field(default_factory=dict)
    seed: int = 0
    constants: Constants = CONSTANTS

    def __post_init__(self) -> None:
        object.__setattr__(self, "_random", None)

    @property
    def random(self) -> Random:
        """The generator, made when it is first asked for."""
        if self._random is None:  # type: ignore[attr-defined]
            object.__setattr__(self, "_random", Random(self.seed))  # noqa: S311 - science, not secrets
        return self._random  # type: ignore[attr-defined, no-any-return]


def is_expression(text: str) -> bool:
    """Tell whether the job language takes this string as an expression."""
    stripped = text.strip()
    return bool(stripped) and stripped[0] in _OPENERS


def parse_expression(text: str) -> ast.expr:
    """Parse an expression and refuse whatever the language does not have.

    Raises
    ------
    InvalidExpressionError
        With the construct and its column.
    """
    return _parse_short(text) if len(text) <= _SHORT_TEXT else _parse_long(text)


def _parse(text: str) -> ast.expr:
    if len(text) > MAX_TEXT:
        raise InvalidExpressionError(f"expression of {len(text)} characters; the most is {MAX_TEXT}")
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        detail = error.msg if isinstance(error, SyntaxError) else "too deeply nested"
        raise InvalidExpressionError(f"not an expression: {detail}: {_shorten(text)}") from error
    _check_tree(tree, text, 0)
    return tree


# A tree has up to 200 bytes for each character: these are at most 100 MB, and a few as a rule.
_parse_short = lru_cache(maxsize=2048)(_parse)
_parse_long = lru_cache(maxsize=64)(_parse)


_ALLOWED = (
    ast.Constant, ast.Name, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Subscript, ast.Slice,
    ast.Attribute, ast.Call, ast.List, ast.Tuple, ast.Dict, ast.JoinedStr, ast.FormattedValue,
)  # fmt: skip
_NAMES = frozenset({"constants", "metadata", "requested_metadata", "random", *_FUNCTIONS})


def _check_tree(node: ast.AST, text: str, depth: int) -> None:
    def refuse(what: str) -> InvalidExpressionError:
        return InvalidExpressionError(
            f"{what} is not part of the job language (column {getattr(node, 'col_offset', 0) + 1}): {_shorten(text)}"
        )

    if depth > MAX_DEPTH:
        raise refuse("nesting of more than 100 levels")
    match node:
        case ast.Name(id=name) if name not in _NAMES:
            raise refuse(f"the name {name!r}")
        case ast.Attribute(attr=name) if name.startswith("_"):
            raise refuse(f"the attribute {name!r}")
        case ast.Constant(value=value) if not isinstance(value, str | int | float | bool | None):
            raise refuse(f"a value of type {type(value).__name__}")
        case ast.Constant(value=int(value)) if value.bit_length() > MAX_BITS:
            raise refuse(f"a whole number of more than {MAX_BITS} bits")
        case ast.BinOp(op=op) if type(op) not in _BINARY:
            raise refuse(f"the operator {type(op).__name__}")
        case ast.UnaryOp(op=op) if type(op) not in _UNARY:
            raise refuse(f"the operator {type(op).__name__}")
        case ast.expr() if not isinstance(node, _ALLOWED):
            raise refuse(f"a construct of kind {type(node).__name__}")
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr | ast.keyword | ast.Slice):
            _check_tree(child, text, depth + 1)


def evaluate(value: Any, scope: Scope) -> Any:
    """Evaluate one value of a job document: an expression to its result, another string stripped, others as they are.

    Raises
    ------
    InvalidExpressionError
        The expression is malformed, refers to something that is not there, or exceeds a bound.
    UnknownMetadataError
        It needs metadata that is not known yet.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text or text[0] not in _OPENERS:
        return text
    walker = _Walker(scope)
    try:
        result = walker.visit(parse_expression(text))
        _check_size(result)
        if (fault := find_value_fault(result)) is not None:
            raise InvalidExpressionError(f"the result: {fault}: {_shorten(text)}")
    except (InvalidExpressionError, UnknownMetadataError):
        raise
    except RecursionError as error:
        raise InvalidExpressionError(f"too deeply nested: {_shorten(text)}") from error
    except Exception as error:
        detail = str(error) or type(error).__name__
        raise InvalidExpressionError(f"{type(error).__name__}: {detail}: {_shorten(text)}") from error
    return result


class _Walker:
    """Walks one checked tree."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._steps = 0
        self._work = 0

    def visit(self, node: ast.AST) -> Any:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise InvalidExpressionError(f"expression takes more than {MAX_STEPS} steps")
        method: Callable[[Any], Any] = getattr(self, f"_visit_{type(node).__name__}")
        result = method(node)
        if isinstance(result, list | dict | str):
            self._work += len(result) // 64 if isinstance(result, str) else len(result)
            if self._work > MAX_WORK:
                raise InvalidExpressionError(f"expression handles more than {MAX_WORK} items in all")
        return result

    def _visit_Constant(self, node: ast.Constant) -> Any:  # noqa: N802
        return node.value

    def _visit_Name(self, node: ast.Name) -> Any:  # noqa: N802
        match node.id:
            case "constants":
                return self._scope.constants
            case "metadata":
                return self._scope.metadata
            case "requested_metadata":
                if self._scope.requested_metadata is None:
                    raise UnknownMetadataError
                return self._scope.requested_metadata
            case "random":
                raise InvalidExpressionError("random needs a method, such as random.random()")
            case name:
                raise InvalidExpressionError(f"{name} is a function: call it")

    def _visit_BinOp(self, node: ast.BinOp) -> Any:  # noqa: N802
        left, right = self.visit(node.left), self.visit(node.right)
        match node.op:
            case ast.Pow():
                _check_power(left, right)
            case ast.Mult():
                _check_product(left, right)
            case ast.Add():
                _check_sum(left, right)
            case ast.Mod() if isinstance(left, str):
                _check_widths(left)
                _check_size(right)
                _check_filling(left, right)
        return _bounded(_BINARY[type(node.op)](left, right))

    def _visit_UnaryOp(self, node: ast.UnaryOp) -> Any:  # noqa: N802
        return _UNARY[type(node.op)](self.visit(node.operand))

    def _visit_BoolOp(self, node: ast.BoolOp) -> Any:  # noqa: N802
        wanted = isinstance(node.op, ast.Or)
        result: Any = not wanted
        for part in node.values:
            result = self.visit(part)
            if bool(result) is wanted:
                break
        return result

    def _visit_Compare(self, node: ast.Compare) -> bool:  # noqa: N802
        left = self.visit(node.left)
        for op, part in zip(node.ops, node.comparators, strict=True):
            right = self.visit(part)
            if not _COMPARE[type(op)](left, right):
                return False
            left = right
        return True

    def _visit_IfExp(self, node: ast.IfExp) -> Any:  # noqa: N802
        return self.visit(node.body if self.visit(node.test) else node.orelse)

    def _visit_List(self, node: ast.List) -> list[Any]:  # noqa: N802
        return [self.visit(part) for part in node.elts]

    def _visit_Tuple(self, node: ast.Tuple) -> list[Any]:  # noqa: N802
        return [self.visit(part) for part in node.elts]

    def _visit_Dict(self, node: ast.Dict) -> dict[Any, Any]:  # noqa: N802
        result: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                result |= self.visit(value)
            else:
                result[self.visit(key)] = self.visit(value)
        return result

    def _visit_Slice(self, node: ast.Slice) -> slice:  # noqa: N802
        return slice(*(None if part is None else self.visit(part) for part in (node.lower, node.upper, node.step)))

    def _visit_Subscript(self, node: ast.Subscript) -> Any:  # noqa: N802
        container, key = self.visit(node.value), self.visit(node.slice)
        if not isinstance(container, Mapping | list | str):
            raise InvalidExpressionError(f"a value of type {type(container).__name__} has no items")
        if isinstance(container, Mapping) and key not in container:
            known = ", ".join(sorted(map(str, container))[:20]) or "nothing"
            name = ast.unparse(node.value)
            raise InvalidExpressionError(f"{name} has no {key!r}; it has {known}")
        return container[key]

    def _visit_Attribute(self, node: ast.Attribute) -> Any:  # noqa: N802
        owner = self.visit(node.value)
        if isinstance(owner, Constants) and node.attr in Constants.__dataclass_fields__:
            return getattr(owner, node.attr)
        what = "constants" if isinstance(owner, Constants) else f"a value of type {type(owner).__name__}"
        raise InvalidExpressionError(f"{what} has no attribute {node.attr!r}")

    def _visit_JoinedStr(self, node: ast.JoinedStr) -> str:  # noqa: N802
        text = "".join(str(self.visit(part)) for part in node.values)
        _bounded(text)
        return text

    def _visit_FormattedValue(self, node: ast.FormattedValue) -> str:  # noqa: N802
        value = self.visit(node.value)
        if node.conversion == ord("r"):
            value = repr(value)
        elif node.conversion == ord("s"):
            value = _text(value)
        specification = "" if node.format_spec is None else self.visit(node.format_spec)
        return _format(value, specification)

    def _visit_Call(self, node: ast.Call) -> Any:  # noqa: N802
        arguments: list[Any] = [self.visit(part) for part in node.args]
        keywords: dict[str, Any] = {}
        for keyword in node.keywords:
            value = self.visit(keyword.value)
            keywords |= value if keyword.arg is None else {keyword.arg: value}
        match node.func:
            case ast.Name(id=name) if name in _FUNCTIONS:
                for argument in arguments:
                    _check_size(argument)
                return _bounded(_FUNCTIONS[name](*arguments, **keywords))
            case ast.Attribute(value=ast.Name(id="random"), attr=name) if name in _RANDOM_METHODS:
                _check_finite(name, [*arguments, *keywords.values()])
                return getattr(self._scope.random, name)(*arguments, **keywords)
            case ast.Attribute(value=owner, attr=name):
                return self._call_method(self.visit(owner), name, arguments, keywords)
        raise InvalidExpressionError(f"{ast.unparse(node.func)} cannot be called")

    def _call_method(self, owner: Any, name: str, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
        if isinstance(owner, str) and name in _TEXT_METHODS:
            if name == "format":
                return _bounded(_Formatter().vformat(owner, arguments, keywords))
            if name == "zfill" and arguments and arguments[0] > _MAX_FORMAT_WIDTH:
                raise InvalidExpressionError(f"width {arguments[0]}; the most is {_MAX_FORMAT_WIDTH}")
            if name == "replace" and len(arguments) >= 2 and (len(owner) + 1) * len(arguments[1]) > MAX_STRING:
                raise InvalidExpressionError(f"text longer than {MAX_STRING} characters")
            return getattr(owner, name)(*arguments, **keywords)
        if isinstance(owner, Mapping) and name == "get":
            return owner.get(*arguments)
        if isinstance(owner, Mapping) and name in ("keys", "values", "items"):
            return list(getattr(owner, name)())
        raise InvalidExpressionError(f"a value of type {type(owner).__name__} has no method {name!r}")


class _Formatter(string.Formatter):
    """`str.format` without attribute access, with bounded widths and a bounded text. Each formats one text."""

    def __init__(self) -> None:
        self._room = MAX_STRING

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        name = re.split(r"[.\[]", field_name, maxsplit=1)[0]
        if "." in field_name[len(name) :]:
            raise InvalidExpressionError(f"format field {{{field_name}}}: attributes are not part of the job language")
        if name and not name.isdigit() and name not in kwargs:
            known = ", ".join(sorted(kwargs)[:20]) or "nothing"
            raise InvalidExpressionError(f"format field {{{field_name}}}: there is no {name!r}; there is {known}")
        return super().get_field(field_name, args, kwargs)

    def format_field(self, value: Any, format_spec: str) -> str:
        text = _format(value, format_spec)
        self._room -= len(text)
        if self._room < 0:
            raise InvalidExpressionError(f"text longer than {MAX_STRING} characters")
        return text


def _check_widths(specification: str) -> None:
    if "*" in specification and "%" in specification:
        raise InvalidExpressionError("a format width of * is not part of the job language")
    for digits in re.findall(r"\d+", specification):
        if len(digits) > 4 or int(digits) > _MAX_FORMAT_WIDTH:
            raise InvalidExpressionError(f"format width {digits[:12]}; the most is {_MAX_FORMAT_WIDTH}")


def _format(value: Any, specification: str) -> str:
    _check_widths(specification)
    _check_size(value)
    return str(format(value, specification))


def _check_filling(template: str, values: Any) -> None:
    """Refuse a ``%`` that would fill so much in that the text becomes too long."""
    places = template.count("%")
    parts = values.values() if isinstance(values, dict) else [values]
    longest = max((len(str(part)) for part in parts), default=0)
    if places > 1 and places * longest > MAX_STRING:
        raise InvalidExpressionError(f"text longer than {MAX_STRING} characters")


def _check_finite(name: str, arguments: Sequence[Any]) -> None:
    """Refuse what some methods of Python's generators never come back from."""
    for argument in arguments:
        if isinstance(argument, float) and not math.isfinite(argument):
            raise InvalidExpressionError(f"random.{name}() of {argument}; expected finite numbers")


def _check_power(base: Any, exponent: Any) -> None:
    if isinstance(base, int) and isinstance(exponent, int) and abs(base) > 1:
        bits = abs(base).bit_length() * abs(exponent)
        if bits > MAX_BITS:
            raise InvalidExpressionError(f"a power of {bits} bits; the most is {MAX_BITS}")


def _check_product(left: Any, right: Any) -> None:
    for sequence, count in ((left, right), (right, left)):
        if isinstance(sequence, str | list) and isinstance(count, int):
            bound = MAX_STRING if isinstance(sequence, str) else MAX_ITEMS
            if len(sequence) * count > bound:
                raise InvalidExpressionError(f"a repetition of {len(sequence) * count} items; the most is {bound}")


def _check_sum(left: Any, right: Any) -> None:
    for kind, bound in ((str, MAX_STRING), (list, MAX_ITEMS)):
        if isinstance(left, kind) and isinstance(right, kind) and len(left) + len(right) > bound:
            raise InvalidExpressionError(f"{len(left) + len(right)} items; the most is {bound}")


def _bounded(value: Any) -> Any:
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise InvalidExpressionError(f"a whole number of more than {MAX_BITS} bits")
    if isinstance(value, str) and len(value) > MAX_STRING:
        raise InvalidExpressionError(f"text of {len(value)} characters; the most is {MAX_STRING}")
    if isinstance(value, list):
        _check_size(value)
    return value


def _check_size(value: Any) -> None:
    """Refuse a structure whose parts, each counted as often as it appears, are too many."""
    budget = MAX_ITEMS
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            budget -= len(item)
            stack.extend(part for part in item if isinstance(part, list | dict | str))
        elif isinstance(item, dict):
            budget -= len(item)
            stack.extend(item.values())
        elif isinstance(item, str):
            budget -= len(item) // 64
        if budget < 0:
            raise InvalidExpressionError(f"a value of more than {MAX_ITEMS} items")


def _shorten(text: str) -> str:
    return text if len(text) <= 120 else text[:117] + "..."
