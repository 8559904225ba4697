"""Which ids the catalogue has: the scheduler's, as far as they came here, and its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Column, Connection, func, insert, select, update

from eas.contracts.ids import HIGHEST_ID, KnownIds, LostTasks
from eas_product_store.storage.schema import EARLIER_GENERATORS, LOST_TASKS, PRODUCTS, UPLOADS, VERSIONS


class SqlIdTable:
    """Ids, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find_known(self) -> KnownIds:
        """Find the highest ids of the scheduler."""
        uploads = [row.deposit for row in self._connection.execute(select(UPLOADS.c.deposit))]
        promises = [deposit["promise"] for deposit in uploads]
        jobs = (VERSIONS.c.job_id, PRODUCTS.c.job_id)
        tasks = (VERSIONS.c.task_id, PRODUCTS.c.generator_task_id, EARLIER_GENERATORS.c.task_id)
        return KnownIds(
            job=self._find_highest(jobs, (promise["job_id"] for promise in promises)),
            task=self._find_highest(tasks, (promise["generator_task_id"] for promise in promises)),
            attempt=self._find_highest((VERSIONS.c.attempt_id,), (deposit["attempt_id"] for deposit in uploads)),
        )

    def find_highest_version(self) -> int:
        """Find the newest version; 0 where there is none."""
        return int(self._connection.execute(select(func.max(VERSIONS.c.version_id))).scalar_one() or 0)

    def has_plans(self) -> bool:
        """Tell whether a scheduler has ever promised a product here."""
        query = select(PRODUCTS.c.product_id).where(PRODUCTS.c.planned.is_(True)).limit(1)
        return self._connection.execute(query).first() is not None

    def add_lost(self, lost: LostTasks) -> None:
        """Remember tasks that the scheduler does not know any more. Again, it changes nothing."""
        known = self._connection.execute(
            select(LOST_TASKS.c.end_id).where(LOST_TASKS.c.first_id == lost.first)
        ).scalar_one_or_none()
        if known is None:
            self._connection.execute(insert(LOST_TASKS).values(first_id=lost.first, end_id=lost.end))
        elif known < lost.end:
            self._connection.execute(
                update(LOST_TASKS).where(LOST_TASKS.c.first_id == lost.first).values(end_id=lost.end)
            )

    def _find_highest(self, columns: Iterable[Column[int]], others: Iterable[int]) -> int:
        found = [
            self._connection.execute(select(func.max(column)).where(column < HIGHEST_ID)).scalar_one() or 0
            for column in columns
        ]
        found += [other for other in others if other < HIGHEST_ID]
        return max(found, default=0)


def find_lost(connection: Connection, task_ids: Collection[int]) -> set[int]:
    """Tell which of these tasks the scheduler does not know any more."""
    ranges = connection.execute(select(LOST_TASKS.c.first_id, LOST_TASKS.c.end_id)).all()
    return {task_id for task_id in task_ids if any(first <= task_id < end for first, end in ranges)}
