"""A history says which of its attempts and versions are not known any more."""

from __future__ import annotations

from datetime import UTC, datetime

from eas.contracts.products import VersionView
from eas.contracts.provenance import Direction, ProvenanceGraph
from eas_control.views.provenance import tabulate_provenance

VERSION = VersionView(
    version_id=7,
    product_id=1,
    directory="d",
    filename="a.txt",
    semantic_type="curve",
    mime_type="text/plain",
    attempt_id=5,
    task_id=3,
    job_id=2,
    md5="0" * 32,
    sha256="0" * 64,
    size=1,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def test_an_attempt_that_the_scheduler_does_not_know_is_shown_as_unknown() -> None:
    graph = ProvenanceGraph(
        version_id=7, direction=Direction.UP, versions=[VERSION], attempts=[], missing=[6], unknown_attempts=[5]
    )
    table = tabulate_provenance(graph)
    assert [list(column.cells) for column in table.columns] == [
        ["5"],
        ["3"],
        ["2"],
        ["-"],
        ["unknown"],
        ["-"],
        ["*7 d/a.txt"],
        ["-"],
    ]
    assert "does not know" in str(table.caption)
    assert "does not have the missing versions" in str(table.caption)
