"""Which workers were lost, and under which tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from eas.contracts.states import AttemptState
from eas_scheduler.domain.losses import LostTask
from eas_scheduler.storage.rows import CHUNK, chunks
from eas_scheduler.storage.schema import attempt_table as _attempt
from eas_scheduler.storage.schema import worker_loss_table as _loss
from eas_scheduler.storage.schema import worker_table as _worker


class LossStore:
    """Losses of workers, in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find_last_heard(self, worker_id: str) -> datetime | None:
        """Find when a worker last gave a sign of life; None if it is not known."""
        query = select(_worker.c.last_heard_at).where(_worker.c.worker_id == worker_id)
        found: datetime | None = self._connection.execute(query).scalar_one_or_none()
        return found

    def has_since(self, worker_id: str, at: datetime) -> bool:
        """Tell whether a worker was lost at some time or later."""
        query = select(func.count()).where(_loss.c.worker_id == worker_id, _loss.c.at >= at)
        return bool(self._connection.execute(query).scalar_one())

    def add(self, worker_id: str, at: datetime) -> None:
        """Note that a worker was lost; what it held ends at the same time."""
        self._connection.execute(insert(_loss).values(worker_id=worker_id, at=at))

    def find_times(self, task_ids: Sequence[int]) -> list[LostTask]:
        """Count how many workers were lost under each task, the last one included, and without it since the first."""
        last = self._connection.execute(select(func.max(_loss.c.id))).scalar_one()
        under: dict[int, set[int]] = {task_id: {last} for task_id in task_ids}
        for part in chunks(task_ids, CHUNK):
            query = (
                select(_attempt.c.task_id, _loss.c.id)
                .join(_loss, (_loss.c.worker_id == _attempt.c.worker_id) & (_loss.c.at == _attempt.c.ended_at))
                .where(_attempt.c.task_id.in_(part), _attempt.c.state == AttemptState.LOST.value)
            )
            for task_id, loss_id in self._connection.execute(query):
                under[task_id].add(loss_id)
        since = {first: self._count_since(first) for first in {min(found) for found in under.values()}}
        return [
            LostTask(task_id, len(found), max(0, since[min(found)] - len(found))) for task_id, found in under.items()
        ]

    def _count_since(self, loss_id: int) -> int:
        return self._connection.execute(select(func.count()).where(_loss.c.id >= loss_id)).scalar_one()
