"""Keep quality control's verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eas.contracts.products import Verdict
from eas_product_store.domain.verdict import Judgement, choose_verdict, is_repeat
from eas_product_store.logic.ports import Catalog, CatalogAccess, Clock


@dataclass(frozen=True)
class _Entry:
    judgement: Judgement
    dated: bool


class QualityLedger:
    """Records verdicts and settles which of them holds."""

    def __init__(self, catalog: CatalogAccess, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock

    async def record(self, verdicts: Sequence[Verdict]) -> int:
        """Record verdicts and tell how many versions are now judged otherwise than before.

        A verdict that is already recorded changes nothing, nor does one on an attempt without versions.
        """
        return await self._catalog.write(lambda catalog: self._record(catalog, verdicts))

    def _record(self, catalog: Catalog, verdicts: Sequence[Verdict]) -> int:
        versions = catalog.ledger.find_versions({verdict.attempt_id for verdict in verdicts})
        held = {version_id: passed for found in versions.values() for version_id, _, passed in found}
        entries = [
            self._make_entry(version_id, verdict)
            for verdict in verdicts
            for version_id, semantic_type, _ in versions.get(verdict.attempt_id, ())
            if verdict.semantic_type in {None, semantic_type} and verdict.version_id in {None, version_id}
        ]
        ledger = catalog.ledger.read({entry.judgement.version_id for entry in entries})
        new: list[Judgement] = []
        for entry in entries:
            judged = ledger.setdefault(entry.judgement.version_id, [])
            if not is_repeat(entry.judgement, judged, dated=entry.dated):
                judged.append(entry.judgement)
                new.append(entry.judgement)
        settled = {judgement.version_id: choose_verdict(ledger[judgement.version_id]) for judgement in new}
        changed = {version_id: passed for version_id, passed in settled.items() if held[version_id] != passed}
        catalog.ledger.add(new)
        catalog.ledger.settle(changed)
        return len(changed)

    def _make_entry(self, version_id: int, verdict: Verdict) -> _Entry:
        judgement = Judgement(
            version_id=version_id,
            passed=verdict.passed,
            author=verdict.author,
            reason=verdict.reason,
            decided_at=verdict.decided_at or self._clock(),
        )
        return _Entry(judgement, dated=verdict.decided_at is not None)
