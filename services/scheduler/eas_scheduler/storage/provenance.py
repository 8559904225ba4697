"""Looks up which attempts made versions, and which read them. Every query is a few index seeks a row."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, tuple_

from eas.contracts.products import VersionView
from eas.contracts.provenance import ProvenanceAttempt, VersionUse
from eas.database.committer import Database
from eas_scheduler.domain.task import FILE
from eas_scheduler.storage.rows import CHUNK, chunks
from eas_scheduler.storage.schema import attempt_table as _attempt
from eas_scheduler.storage.schema import dependency_table as _edge
from eas_scheduler.storage.schema import product_promise_table as _promise
from eas_scheduler.storage.schema import task_table as _task
from eas_scheduler.storage.schema import task_type_release_table as _release

_STEP = select(
    _attempt, _task.c.state.label("task_state"), _task.c.seed, _task.c.accepted_attempt_id.label("accepted")
).join(_task, _task.c.id == _attempt.c.task_id)


class ProvenanceReader:
    """Reads attempts as steps of histories."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_attempts(self, attempt_ids: Collection[int]) -> list[ProvenanceAttempt]:
        """Fetch attempts by id; those that do not exist are left out."""
        return await self._database.read(lambda connection: _find_attempts(connection, attempt_ids))

    async def find_readers(self, versions: Collection[VersionView]) -> list[ProvenanceAttempt]:
        """Fetch the attempts that read one of these versions, or may still: those that hold it as an input."""
        return await self._database.read(lambda connection: _find_readers(connection, versions))


def _find_attempts(connection: Connection, attempt_ids: Collection[int]) -> list[ProvenanceAttempt]:
    rows: list[Row[Any]] = []
    for part in chunks(sorted(set(attempt_ids)), CHUNK):
        rows += connection.execute(_STEP.where(_attempt.c.id.in_(part)).order_by(_attempt.c.id)).all()
    return _view_all(connection, rows)


def _find_readers(connection: Connection, versions: Collection[VersionView]) -> list[ProvenanceAttempt]:
    wanted = {version.version_id for version in versions}
    sources = {version.task_id for version in versions}
    names = sorted({(version.directory, version.filename) for version in versions})
    for part in chunks(names, CHUNK):
        # A re-run's task, or one that adopted, gives its readers versions that it did not make.
        found = select(_promise.c.task_id).where(tuple_(_promise.c.directory, _promise.c.filename).in_(part))
        sources.update(connection.execute(found).scalars())
    rows: list[Row[Any]] = []
    for keys in chunks(sorted(sources), CHUNK):
        readers = select(_edge.c.task_id).where(_edge.c.source_id.in_(keys), _edge.c.kind == FILE).distinct()
        query = _STEP.where(_attempt.c.task_id.in_(readers), _attempt.c.inputs.is_not(None)).order_by(_attempt.c.id)
        rows += [
            row
            for row in connection.execute(query)
            if wanted.intersection(used["version_id"] for used in row.inputs.values())
        ]
    return _view_all(connection, rows)


def _view_all(connection: Connection, rows: Collection[Row[Any]]) -> list[ProvenanceAttempt]:
    names = {row.task_type for row in rows}
    releases: dict[str, list[tuple[datetime, str]]] = {}
    query = select(_release.c.name, _release.c.announced_at, _release.c.version).where(_release.c.name.in_(names))
    for name, at, version in connection.execute(query.order_by(_release.c.id)):
        releases.setdefault(name, []).append((at, version))
    return [_view(row, releases.get(row.task_type, ())) for row in rows]


def _view(row: Row[Any], releases: Collection[tuple[datetime, str]]) -> ProvenanceAttempt:
    begun = row.claimed_at
    version = next((name for at, name in reversed(list(releases)) if begun is not None and at <= begun), None)
    return ProvenanceAttempt(
        attempt_id=row.id,
        task_id=row.task_id,
        job_id=row.job_id,
        number=row.number,
        state=row.state,
        task_state=row.task_state,
        task_type=row.task_type,
        task_type_version=version,
        settings=row.settings,
        seed=row.seed,
        worker_id=row.worker_id,
        started_at=row.started_at,
        ended_at=row.ended_at,
        adopted_from=row.adopted_from,
        inputs=[VersionUse(slot=slot, version_id=used["version_id"]) for slot, used in (row.inputs or {}).items()],
        outputs=[VersionUse(slot=made["slot"], version_id=made["version_id"]) for made in row.outputs or ()],
    )
