"""The demonstration's tables: what was injected, and what was found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from eas_control.domain.discoveries import BLS, TLS, Discovery
from eas_control.views.text import OUTCOME_STYLES, make_table, number_text, plain, styled

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from eas.contracts.metadata import Metadata


def tabulate_recovery(discoveries: Iterable[Discovery]) -> Table:
    """One line an injected planet."""
    injected = ("injected R [R_E]", "P [d]", "depth [ppm]", "MES")
    found = ("TLS P [d]", "TLS depth [ppm]", "TLS SDE")
    table = make_table(*injected, "BLS P [d]", "BLS", *found, "TLS", right=(*injected, "BLS P [d]", *found))
    for entry in discoveries:
        bls, tls = (entry.searches.get(search, {}) for search in (BLS, TLS))
        table.add_row(
            number_text(entry.value),
            number_text(entry.injected.get("orbital_period")),
            _ppm(entry.injected, "injected_depth"),
            number_text(entry.injected.get("mes"), 3),
            number_text(bls.get("period")),
            _outcome(bls),
            number_text(tls.get("period")),
            _ppm(tls, "transit_depth"),
            number_text(tls.get("sde"), 3),
            _outcome(tls),
        )
    return table


def tabulate_candidates(discoveries: Iterable[Discovery]) -> Table:
    """One line a real light curve."""
    numbers = ("BLS P [d]", "TLS P [d]", "depth [ppm]", "duration [h]", "SDE")
    table = make_table("light curve", "object", *numbers, right=numbers)
    for entry in discoveries:
        bls, tls = (entry.searches.get(search, {}) for search in (BLS, TLS))
        duration = tls.get("duration")
        table.add_row(
            plain(entry.value),
            plain(tls.get("object", bls.get("object", "-"))),
            number_text(bls.get("period")),
            number_text(tls.get("period")),
            _ppm(tls, "transit_depth"),
            number_text(duration * 24, 3) if isinstance(duration, float) else "-",
            number_text(tls.get("sde"), 3),
        )
    return table


def _ppm(found: Metadata, key: str) -> str:
    value = found.get(key)
    return f"{value * 1e6:.0f}" if isinstance(value, int | float) else "-"


def _outcome(found: Metadata) -> Text:
    outcome = found.get("outcome")
    return styled(str(outcome) if outcome else None, OUTCOME_STYLES)
