"""Job documents as users have them: a mapping, a file, or the text itself."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import orjson

from eas.client.suite.errors import FileError
from eas.contracts.errors import InvalidInputError

#: What can be submitted. A text that begins with ``{`` is JSON, any other is the path of a file.
JobDocument: TypeAlias = Mapping[str, Any] | Path | str | bytes

#: No settings are changed.
NO_CHANGES: Mapping[str, Any] = MappingProxyType({})


async def read_document(document: JobDocument) -> bytes:
    """Give a job document as JSON text. Texts and files are given as they are, broken or not: the scheduler judges.

    Raises
    ------
    FileError
        The file cannot be read.
    InvalidInputError
        The mapping holds something that JSON does not have; `where` is its place.
    """
    match document:
        case bytes() | str() | Path():
            return await read_text(document, opening="{")
        case Mapping():
            try:
                return orjson.dumps(simplify(document, "$"))
            except (TypeError, RecursionError) as error:
                raise InvalidInputError(f"the job cannot be written as JSON: {error}") from error
        case _:
            raise InvalidInputError(f"expected a mapping, a path or JSON text, not {type(document).__name__}")


async def read_text(source: Path | str | bytes, *, opening: str) -> bytes:
    """Give a text, or the content of the file that it names: a text begins with `opening`. Raises `FileError`."""
    found = _find_text(source, opening)
    return found if isinstance(found, bytes) else await asyncio.to_thread(_read_file, found)


def _find_text(source: Path | str | bytes, opening: str) -> Path | bytes:
    match source:
        case bytes():
            return source
        case str() if source.lstrip()[:1] == opening:
            return source.encode(errors="surrogatepass")
        case _:
            return Path(source)


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileError(path, error) from error


def simplify(value: Any, where: str) -> Any:
    """Make JSON types of tuples, mappings, paths, and of the arrays and scalars of numpy.

    Raises
    ------
    InvalidInputError
        JSON has nothing for it; `where`, the place of the value, leads there.
    """
    match value:
        case None | str() | int():
            return value
        case float() if math.isfinite(value):
            return float(value)
        case Mapping():
            return {_check_key(key, where): simplify(item, f"{where}.{key}") for key, item in value.items()}
        case list() | tuple():
            return [simplify(item, f"{where}[{index}]") for index, item in enumerate(value)]
        case Path():
            return str(value)
        case _ if hasattr(value, "tolist"):
            return simplify(value.tolist(), where)
        case _:
            raise InvalidInputError(f"JSON has nothing for {value!r} ({type(value).__name__})", where=where)


def _check_key(key: object, where: str) -> str:
    if not isinstance(key, str):
        raise InvalidInputError(f"expected a string as a key, not {key!r}", where=where)
    return key
