"""Which forms of preview a file has: its content says so, and where that is text, also what it is said to be."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Sequence

import orjson

from eas.contracts.previews import PreviewForm
from eas_product_store.previews.source import Source

#: A longer document is shown as text [bytes].
MAX_JSON_BYTES = 1 << 20

_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
_PAGE_STARTS = (b"<!doctype html", b"<html")
_CURVE = (PreviewForm.LIGHT_CURVE, PreviewForm.PLOT)
_TEXTS = (PreviewForm.TABLE, PreviewForm.JSON, PreviewForm.TEXT)


def find_forms(source: Source) -> list[PreviewForm]:
    """List the forms that a file seems to have, the best one first."""
    head = source.read_head()
    if not source.complete:
        return [] if b"\0" in head else [PreviewForm.TEXT]
    if head.startswith(b"SIMPLE  ="):
        return [*_CURVE, PreviewForm.HEADERS] if _is_light_curve_table(source) else [PreviewForm.HEADERS]
    if head.startswith(b"PK\x03\x04"):
        return list(_CURVE) if _is_binary_curve(source) else []
    if head.startswith(_PICTURES) or (head.startswith(b"RIFF") and head[8:12] == b"WEBP"):
        return [PreviewForm.IMAGE]
    if b"\0" in head or head.startswith(b"%PDF-") or _is_page(source, head):
        return []
    return _forms_of_text(source, head)


def may_try(form: PreviewForm, forms: Sequence[PreviewForm]) -> bool:
    """Tell whether a form that a file does not seem to have may be tried: what is wrong can then be said."""
    if form in forms or (PreviewForm.HEADERS in forms and form in _CURVE):
        return True
    return PreviewForm.TEXT in forms and (form in _TEXTS or form in _CURVE)


def _forms_of_text(source: Source, head: bytes) -> list[PreviewForm]:
    text = head.decode("utf-8", "replace")
    forms: list[PreviewForm] = []
    kind = source.mime_type.partition(";")[0].strip().lower()
    if kind in ("application/json", "text/json") or kind.endswith("+json") or _looks_like_json(source, head):
        if source.path.stat().st_size <= MAX_JSON_BYTES:
            forms.append(PreviewForm.JSON)
    else:
        if _looks_like_curve(text):
            forms += _CURVE
        if kind in ("text/csv", "text/tab-separated-values") or find_delimiter(text) is not None:
            forms.append(PreviewForm.TABLE)
    return [*forms, PreviewForm.TEXT]


def find_delimiter(text: str) -> str | None:
    """Find what separates the cells of a table: in each of its first lines, as often as in the others."""
    lines = [line for line in text.splitlines()[:20] if line.strip() and not line.startswith("#")]
    lines = lines[:-1] if len(lines) > 1 and not text.endswith("\n") else lines
    for mark in ",;\t":
        try:
            counts = {len(cells) for cells in csv.reader(lines, delimiter=mark)}
        except csv.Error:
            continue
        if len(counts) == 1 and counts.pop() > 1:
            return mark
    return None


def _is_page(source: Source, head: bytes) -> bool:
    return source.mime_type.startswith("text/html") or head.lstrip()[:64].lower().startswith(_PAGE_STARTS)


def _looks_like_json(source: Source, head: bytes) -> bool:
    if not head.lstrip().startswith((b"{", b"[")) or source.path.stat().st_size > MAX_JSON_BYTES:
        return False
    try:
        orjson.loads(source.path.read_bytes())
    except orjson.JSONDecodeError:
        return False
    return True


def _looks_like_curve(text: str) -> bool:
    """Tell whether the first row of numbers could be a light curve's."""
    rows = [line for line in text.splitlines()[:200] if line.strip() and not line.startswith("#")]
    if not rows:
        return False
    cells = next((_split(row) for row in rows[:2] if _are_numbers(_split(row))), None)
    if cells is None:
        return False
    if any(mark in rows[0] for mark in ",;\t"):
        named = not _are_numbers(_split(rows[0]))
        return _names_flux(rows[0]) if named else len(cells) in (2, 3) or _names_flux(text[:2000])
    return len(cells) == 4


def _names_flux(text: str) -> bool:
    return "flux" in text.lower()


def _split(row: str) -> list[str]:
    mark = next((found for found in ",;\t" if found in row), None)
    return [cell.strip() for cell in row.split(mark)]


def _are_numbers(cells: list[str]) -> bool:
    try:
        for cell in cells:
            float(cell or "nan")
    except ValueError:
        return False
    return len(cells) > 1


def _is_binary_curve(source: Source) -> bool:
    try:
        with zipfile.ZipFile(source.path) as archive:
            return "header.npy" in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return source.mime_type in ("application/zip", "application/octet-stream")


def _is_light_curve_table(source: Source) -> bool:
    """Look for what every light curve of TESS and Kepler has among its headers, without reading it as FITS."""
    size = HEADERS_BYTES
    with source.path.open("rb") as file:
        head = file.read(size)
    return b"EXTNAME = 'LIGHTCURVE'" in head and b"TELESCOP=" in head


#: Where the headers of a light curve end, amply [bytes].
HEADERS_BYTES = 1 << 18
