"""Texts, tables in text and JSON, in small."""

from __future__ import annotations

import codecs
import csv
from typing import Literal

import orjson

from eas.contracts.previews import JsonPreview, PreviewForm, PreviewParameters, TablePreview, TextPreview
from eas_product_store.previews.errors import UnreadableError
from eas_product_store.previews.recognition import MAX_JSON_BYTES, find_delimiter
from eas_product_store.previews.source import Source


def show_text(source: Source, wanted: PreviewParameters, forms: list[PreviewForm]) -> TextPreview:
    """Show the first lines. What is not UTF-8 is taken for Latin-1, in which every byte is a character."""
    text, encoding, truncated = _read_lines(source, wanted)
    return TextPreview(
        forms=forms,
        text=text,
        encoding=encoding,
        lines=text.count("\n") + (bool(text) and not text.endswith("\n")),
        truncated=truncated,
        unpacked=source.unpacked,
    )


def show_table(source: Source, wanted: PreviewParameters, forms: list[PreviewForm]) -> TablePreview:
    """Show the first rows of a table; lines that begin with ``#`` are passed over.

    Raises
    ------
    UnreadableError
        There is no row, or nothing that separates cells.
    """
    text, encoding, truncated = _read_lines(source, wanted)
    if truncated and not text.endswith("\n"):
        text = text[: text.rfind("\n") + 1]
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    delimiter = find_delimiter(text) or next((mark for mark in ",;\t" if lines and mark in lines[0]), None)
    if not lines or delimiter is None:
        raise UnreadableError("it is no table: expected rows of cells with commas, semicolons or tabs between them")
    try:
        rows = list(csv.reader(lines, delimiter=delimiter))
    except csv.Error as error:
        raise UnreadableError(f"it is no table: {error}") from error
    columns = rows.pop(0) if any(not _is_number(cell) for cell in rows[0]) else _find_names(text, delimiter, rows[0])
    return TablePreview(
        forms=forms, delimiter=delimiter, columns=columns, rows=rows, encoding=encoding, truncated=truncated
    )


def _find_names(text: str, delimiter: str, row: list[str]) -> list[str]:
    """Find a comment that names the columns; no names where there is none."""
    comments = [line.lstrip("# ") for line in text.splitlines() if line.startswith("#")]
    named = [next(csv.reader([comment], delimiter=delimiter), []) for comment in comments]
    return next((names for names in named if len(names) == len(row)), [])


def _is_number(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True


def show_json(source: Source, forms: list[PreviewForm]) -> JsonPreview:
    """Show a JSON document.

    Raises
    ------
    UnreadableError
        It is no JSON, or too long.
    """
    size = source.path.stat().st_size
    if size > MAX_JSON_BYTES:
        raise UnreadableError(f"the JSON document has {size} bytes; at most {MAX_JSON_BYTES} are shown")
    try:
        return JsonPreview(forms=forms, value=orjson.loads(source.path.read_bytes()))
    except orjson.JSONDecodeError as error:
        raise UnreadableError(f"broken JSON: {error}") from error


def _read_lines(source: Source, wanted: PreviewParameters) -> tuple[str, Literal["utf-8", "latin-1"], bool]:
    with source.path.open("rb") as file:
        data = file.read(wanted.max_bytes)
        truncated = bool(file.read(1)) or not source.complete
    encoding: Literal["utf-8", "latin-1"] = "utf-8"
    try:
        # A character that is cut in two at the end is left out.
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(data, final=not truncated)
    except UnicodeDecodeError:
        encoding = "latin-1"
        text = data.decode(encoding)
    lines = text.splitlines(keepends=True)
    if len(lines) > wanted.lines:
        return "".join(lines[: wanted.lines]), encoding, True
    return text, encoding, truncated
