"""The table of verdicts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, bindparam, insert, select, update

from eas_product_store.domain.verdict import Judgement
from eas_product_store.storage.pieces import cut
from eas_product_store.storage.schema import PRODUCTS, VERDICTS, VERSIONS


class SqlLedgerTable:
    """Verdicts, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find_versions(self, attempt_ids: Collection[int]) -> Mapping[int, list[tuple[int, str, bool | None]]]:
        """Find the versions of attempts: attempt to (version id, semantic type, verdict that holds)."""
        found: dict[int, list[tuple[int, str, bool | None]]] = defaultdict(list)
        columns = (VERSIONS.c.attempt_id, VERSIONS.c.version_id, PRODUCTS.c.semantic_type, VERSIONS.c.passed_qc)
        statement = select(*columns).join(PRODUCTS, PRODUCTS.c.product_id == VERSIONS.c.product_id)
        for chunk in cut(list(attempt_ids)):
            for attempt_id, *version in self._connection.execute(statement.where(VERSIONS.c.attempt_id.in_(chunk))):
                found[attempt_id].append((version[0], version[1], version[2]))
        return found

    def read(self, version_ids: Collection[int]) -> dict[int, list[Judgement]]:
        """Read the verdicts on versions, in the order in which they were recorded."""
        found: dict[int, list[Judgement]] = defaultdict(list)
        statement = select(VERDICTS).order_by(VERDICTS.c.verdict_id)
        for chunk in cut(list(version_ids)):
            for row in self._connection.execute(statement.where(VERDICTS.c.version_id.in_(chunk))):
                found[row.version_id].append(
                    Judgement(
                        version_id=row.version_id,
                        passed=row.passed,
                        author=row.author,
                        reason=row.reason,
                        decided_at=row.decided_at,
                    )
                )
        return found

    def add(self, judgements: Sequence[Judgement]) -> None:
        """Record verdicts."""
        if judgements:
            self._connection.execute(insert(VERDICTS), [vars(judgement) for judgement in judgements])

    def settle(self, verdicts: Mapping[int, bool | None]) -> None:
        """Set the verdict that holds: version id to passed."""
        if verdicts:
            self._connection.execute(
                update(VERSIONS)
                .where(VERSIONS.c.version_id == bindparam("version"))
                .values(passed_qc=bindparam("verdict")),
                [{"version": version_id, "verdict": passed} for version_id, passed in verdicts.items()],
            )
