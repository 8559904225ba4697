"""Previews for terminals."""

from __future__ import annotations

from typing import assert_never

import orjson
from rich.console import Group, RenderableType
from rich.text import Text

from eas.contracts.previews import (
    AnyPreview,
    HeadersPreview,
    HeaderUnit,
    JsonPreview,
    LightCurvePreview,
    TablePreview,
    TextPreview,
)
from eas_control.views.text import make_table, number_text, plain

#: Of a light curve, how many samples are listed.
LISTED = 20


def describe_preview(found: AnyPreview) -> RenderableType:
    """Write a preview; whatever comes from the file is without characters that a terminal would obey."""
    match found:
        case LightCurvePreview():
            return _describe_curve(found)
        case HeadersPreview():
            warnings = [Text(f"warning: {plain(warning)}") for warning in found.warnings]
            return Group(*warnings, *(_describe_unit(hdu) for hdu in found.hdus), *_say_more(found.truncated))
        case TablePreview():
            return _describe_table(found)
        case JsonPreview():
            return _plain_lines(orjson.dumps(found.value, option=orjson.OPT_INDENT_2).decode())
        case TextPreview():
            return Group(_plain_lines(found.text.removesuffix("\n")), *_say_more(found.truncated))
        case _:
            assert_never(found)


def _describe_curve(curve: LightCurvePreview) -> RenderableType:
    facts = make_table("what", "value")
    facts.add_row("samples", f"{curve.samples}, {curve.flagged} of them flagged")
    span = f"{number_text(curve.first_time, 10)} to {number_text(curve.last_time, 10)}"
    facts.add_row("times", f"{span} {curve.time_unit} ({plain(curve.time_system)})")
    facts.add_row("column", plain(curve.column) + (f" [{plain(curve.unit)}]" if curve.unit else ""))
    for key, value in curve.metadata.items():
        facts.add_row(plain(key), number_text(value))
    listed = make_table("time", "value", right=("time", "value"))
    step = max(1, -(-len(curve.times) // LISTED))
    for time, value in list(zip(curve.times, curve.values, strict=True))[::step]:
        listed.add_row(number_text(time, 10), number_text(value, 10))
    return Group(facts, Text(), listed)


def _describe_unit(hdu: HeaderUnit) -> RenderableType:
    shape = " x ".join(str(side) for side in hdu.shape)
    cards = make_table(f"HDU {hdu.index} {plain(hdu.name)}", plain(hdu.kind), shape)
    for card in hdu.cards:
        cards.add_row(plain(card.keyword), number_text(card.value, 15), plain(card.comment))
    return Group(cards, Text())


def _describe_table(found: TablePreview) -> RenderableType:
    width = max(len(row) for row in [found.columns, *found.rows])
    names = [plain(name) for name in found.columns] + [""] * (width - len(found.columns))
    table = make_table(*names)
    for row in found.rows:
        table.add_row(*(plain(cell) for cell in row))
    return Group(table, *_say_more(found.truncated))


def _plain_lines(text: str) -> Text:
    return Text("\n".join(plain(line) for line in text.split("\n")))


def _say_more(truncated: bool) -> list[Text]:
    return [Text("(there is more)")] if truncated else []
