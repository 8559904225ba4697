"""Words and numbers for terminals."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

#: Width of tables where standard output is no terminal [columns].
WIDE = 220

STATE_STYLES = {
    "done": "green",
    "accepted": "green",
    "running": "cyan",
    "checking": "cyan",
    "queued": "yellow",
    "paused": "yellow",
    "waiting": "dim",
    "failed": "bold red",
    "rejected": "red",
    "lost": "red",
    "blocked": "magenta",
    "cancelled": "dim",
}
OUTCOME_STYLES = {"PASS": "green", "FAIL": "red", "UNDEFINED": "dim"}


def open_console(*, stderr: bool = False) -> Console:
    """Make a console; where the stream is no terminal it is wide and plain."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else WIDE
    return Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)


def print_warnings(warnings: list[str]) -> None:
    """Print warnings, such as those of a plan, where they do not mix with a document."""
    for warning in warnings:
        open_console(stderr=True).print(f"warning: {plain(warning)}")


def make_table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """Make an empty table; the columns in `right` hold numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def plain(value: object) -> str:
    """Write something of unknown origin without characters that a terminal would obey."""
    return "".join(found if found.isprintable() else f"\\x{ord(found):02x}" for found in str(value))


def styled(word: str | None, styles: dict[str, str]) -> Text:
    """Write a word in its colour."""
    return Text(plain(word or "-"), styles.get(word or "", ""))


def state_text(state: str) -> Text:
    """Write a state in its colour."""
    return styled(state, STATE_STYLES)


def number_text(value: Any, digits: int = 6) -> str:
    """Write a number shortly; other values as they are, and a dash for none."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    return plain(value)


def time_text(moment: datetime | None) -> str:
    """Write a time in this machine's time zone."""
    return "-" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def metadata_text(metadata: dict[str, Any]) -> str:
    """Write loop variables shortly, without their indices."""
    shown = [key for key in metadata if not (key.endswith("_index") and key.removesuffix("_index") in metadata)]
    return " ".join(f"{plain(key)}={number_text(metadata[key])}" for key in shown)
