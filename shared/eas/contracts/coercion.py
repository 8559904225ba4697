"""Settings as a JSON Schema means them: 0 and 1 where a boolean is meant, text of a number where a number is.

What a schema allows as it is stays as it is, so text stays text where text is among what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

#: Further than this no schema is followed: what refers to itself has an end.
_DEPTH = 100
_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*")
#: Longer text is no number that anybody wrote.
_LONGEST = 64
_TRUTHS = {"0": False, "1": True, "false": False, "true": True}
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1

Schema = Mapping[str, Any]


def coerce(schema: Schema, value: Any) -> Any:
    """Convert what JSON Schema is strict about.

    ======================== =========================================
    Meant                    Taken as well
    ======================== =========================================
    a boolean                0, 1, and ``"0"``, ``"1"``, ``"true"``, ``"false"``
    a number                 text of a number; integers become floats
    an integer               text of a whole number, whole floats
    ======================== =========================================

    Anything else comes back unchanged, for a check against the schema to say what is wrong with it.

    Parameters
    ----------
    schema
        JSON Schema, with its own ``$defs``.
    value
        Values of JSON. It is not changed.

    Returns
    -------
    object
        The value, with conversions at every depth that the schema describes.
    """
    return _coerce(schema, value, schema, 0)


def _coerce(schema: Any, value: Any, root: Schema, depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > _DEPTH:
        return value
    if "$ref" in schema:
        value = _coerce(_resolve(schema["$ref"], root), value, root, depth + 1)
    for part in _list_of(schema, "allOf"):
        value = _coerce(part, value, root, depth + 1)
    for key in ("anyOf", "oneOf"):
        if branches := _list_of(schema, key):
            value = _coerce_to_one(branches, value, root, depth + 1)
    types = _types_of(schema)
    if types and not _is_of(value, types):
        value = next((found for name in types if _is_of(found := _convert(value, name), [name])), value)
    if type(value) is int and types and "number" in types and "integer" not in types:
        value = _to_float(value)
    elif type(value) is float and types and "integer" in types and "number" not in types:
        value = _to_integer(value)
    if isinstance(value, dict):
        return {key: _coerce(_property(schema, key), item, root, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_coerce(_item(schema, index), item, root, depth + 1) for index, item in enumerate(value)]
    return value


def _coerce_to_one(branches: list[Any], value: Any, root: Schema, depth: int) -> Any:
    """Convert a value to what the first branch of those that take it makes of it; one that takes it as it is first."""
    kinds = [_kinds_of(branch, root, depth) for branch in branches]
    fitting = [branch for branch, types in zip(branches, kinds, strict=True) if not types or _is_of(value, types)]
    if len(fitting) > 1 and isinstance(value, dict):
        fitting = [branch for branch in fitting if _knows(branch, value, root, depth)]
    if fitting:
        return _coerce(fitting[0], value, root, depth)
    for branch, types in zip(branches, kinds, strict=True):
        found = _coerce(branch, value, root, depth)
        if _is_of(found, types):
            return found
    return value


def _knows(branch: Any, value: Mapping[str, Any], root: Schema, depth: int) -> bool:
    """Tell whether a schema of objects knows all keys of one, and misses none; of several schemas that one is meant."""
    while isinstance(branch, Mapping) and "$ref" in branch and depth <= _DEPTH:
        branch, depth = _resolve(branch["$ref"], root), depth + 1
    if not isinstance(branch, Mapping):
        return False
    known = branch.get("properties", {})
    return all(key in known for key in value) and all(key in value for key in branch.get("required", ()))


def _kinds_of(schema: Any, root: Schema, depth: int) -> list[str]:
    """List the types that a schema allows; none where it does not say."""
    if not isinstance(schema, Mapping) or depth > _DEPTH:
        return []
    if found := _types_of(schema):
        return found
    if "$ref" in schema:
        return _kinds_of(_resolve(schema["$ref"], root), root, depth + 1)
    for key in ("anyOf", "oneOf"):
        if branches := _list_of(schema, key):
            kinds = [_kinds_of(branch, root, depth + 1) for branch in branches]
            return [] if not all(kinds) else [name for kind in kinds for name in kind]
    return []


def _types_of(schema: Schema) -> list[str]:
    """List the types that a schema names itself, or those of the values that it lists."""
    found = schema.get("type")
    if isinstance(found, str):
        return [found]
    if isinstance(found, list):
        return found
    listed = schema.get("enum", [schema["const"]] if "const" in schema else None)
    return [] if not isinstance(listed, list) else list(dict.fromkeys(_kind_of(value) for value in listed))


def _kind_of(value: Any) -> str:
    return next(name for name, is_kind in _KINDS.items() if is_kind(value))


def _is_of(value: Any, types: list[str]) -> bool:
    return any(name in _KINDS and _KINDS[name](value) for name in types)


#: An integer is a number, too; whole floats are integers only after they were converted.
_KINDS: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def _convert(value: Any, name: str) -> Any:
    """Convert a value to a type, or return it as it is."""
    match name, value:
        case "boolean", int() | float() if value in (0, 1):
            return bool(value)
        case "boolean", str():
            return _TRUTHS.get(value.strip().lower(), value)
        case "number", str():
            return _read_number(value)
        case "integer", str():
            return _to_integer(_read_number(value))
        case "integer", float():
            return _to_integer(value)
    return value


def _read_number(text: str) -> Any:
    if len(text) > _LONGEST or not _NUMBER.fullmatch(text):
        return text
    try:
        number: int | float = int(text)
    except ValueError:
        number = float(text)
        return number if abs(number) != float("inf") else text
    return number if _SMALLEST <= number <= _LARGEST else text


def _to_integer(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and _SMALLEST <= value <= _LARGEST:
        return int(value)
    return value


def _to_float(value: int) -> int | float:
    """Convert an integer, unless digits would be lost."""
    return float(value) if abs(value) <= 2**53 else value


def _list_of(schema: Schema, key: str) -> list[Any]:
    found = schema.get(key)
    return found if isinstance(found, list) else []


def _property(schema: Schema, key: str) -> Any:
    properties = schema.get("properties")
    if isinstance(properties, Mapping) and key in properties:
        return properties[key]
    return schema.get("additionalProperties")


def _item(schema: Schema, index: int) -> Any:
    first = _list_of(schema, "prefixItems")
    return first[index] if index < len(first) else schema.get("items")


def _resolve(reference: Any, root: Schema) -> Any:
    """Follow a reference within the schema; None where it leads elsewhere."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found: Any = root
    for part in _split_pointer(reference):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _split_pointer(reference: str) -> Iterator[str]:
    for part in reference.removeprefix("#").split("/")[1:]:
        yield part.replace("~1", "/").replace("~0", "~")
