"""What a campaign of searches found, one entry a light curve, out of the outcomes of its tasks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from eas.contracts.metadata import Metadata
from eas.contracts.scheduler import ResultView

SYNTHESIS = "synthesis_batman"
BLS = "transit_search_bls_reference"
TLS = "transit_search_tls"


@dataclass
class Discovery:
    """One light curve: what was injected into it, if anything, and what each search found.

    Parameters
    ----------
    value
        The value of the loop that tells the light curves apart.
    injected
        Metadata of the synthesis; empty for a real curve.
    searches
        Task type of a search to its output metadata.
    """

    value: Any
    injected: Metadata = field(default_factory=dict)
    searches: dict[str, Metadata] = field(default_factory=dict)


def gather_discoveries(results: Iterable[ResultView], parameter: str) -> list[Discovery]:
    """Put the outcomes of a job's loop together, in the order of the loop.

    Parameters
    ----------
    results
        Of the finished tasks.
    parameter
        The loop's.
    """
    found: dict[int, Discovery] = {}
    for result in results:
        index = result.inherited.get(f"{parameter}_index")
        if not isinstance(index, int):
            continue
        entry = found.setdefault(index, Discovery(result.inherited[parameter]))
        if result.task_type == SYNTHESIS:
            entry.injected = result.metadata
        elif result.task_type in (BLS, TLS) and result.metadata:
            entry.searches[result.task_type] = result.metadata
    return [found[index] for index in sorted(found)]
