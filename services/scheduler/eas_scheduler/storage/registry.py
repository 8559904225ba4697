"""Rows of workers and of the task types that they announced."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from eas.contracts.execution import TaskTypeRules
from eas.contracts.scheduler import TaskTypeDescription, WorkerAnnouncement
from eas.database.prepared import Prepared
from eas.isolation import describe_error
from eas_scheduler.domain.task_settings import TaskTypeSpecification
from eas_scheduler.storage.schema import task_type_release_table as _release
from eas_scheduler.storage.schema import task_type_rules_table as _rules
from eas_scheduler.storage.schema import task_type_table as _type
from eas_scheduler.storage.schema import worker_table as _worker
from eas_scheduler.storage.shipped_task_types import read_shipped_task_types

logger = logging.getLogger(__name__)

Model = TypeVar("Model", bound=BaseModel)

_ALL_RULES = Prepared(select(_rules.c.name, _rules.c.rules))
_STAMP = Prepared(select(func.count(_type.c.name), func.max(_type.c.announced_at)))
_HEAR = Prepared(
    update(_worker)
    .where(_worker.c.worker_id == bindparam("worker"), _worker.c.gone.is_(False))
    .values(last_heard_at=bindparam("at"))
)
_BEAT = Prepared(
    update(_worker)
    .where(_worker.c.worker_id == bindparam("worker"), _worker.c.gone.is_(False))
    .values(last_heard_at=bindparam("at"), paused=bindparam("paused"), clock_offset=bindparam("clock_offset"))
)
_DRAINING = Prepared(select(_worker.c.draining).where(_worker.c.worker_id == bindparam("worker")))
_GONE = Prepared(select(_worker.c.gone).where(_worker.c.worker_id == bindparam("worker")))


class TaskTypeCache:
    """Task types as last read. They change only when a worker announces others, and are asked for at every turn."""

    def __init__(self) -> None:
        self.stamp: object = None
        self.found: dict[str, TaskTypeSpecification] = {}


class RegistryStore:
    """Workers and task types of one transaction."""

    def __init__(self, connection: Connection, cache: TaskTypeCache) -> None:
        self._connection = connection
        self._cache = cache
        self._rules: dict[str, TaskTypeRules] | None = None
        # Nearly every transaction needs both.
        self._all_rules = _ALL_RULES.foresee(connection)
        self._stamp = _STAMP.foresee(connection)

    def save_worker(self, announcement: WorkerAnnouncement, at: datetime) -> None:
        """Insert a worker, or update the one of this id."""
        values = {
            "host": announcement.host,
            "process_id": announcement.process_id,
            "slots": announcement.slots,
            "container": announcement.container,
            "announced_at": at,
            "last_heard_at": at,
            "gone": False,
            "draining": False,
            "paused": None,
            "task_types": sorted(found.name for found in announcement.task_types),
        }
        result = self._connection.execute(
            update(_worker).where(_worker.c.worker_id == announcement.worker_id).values(values)
        )
        if result.rowcount == 0:
            self._connection.execute(insert(_worker).values(worker_id=announcement.worker_id, **values))

    def save_task_types(self, descriptions: Sequence[TaskTypeDescription], at: datetime) -> None:
        """Insert or update task types; the last worker to announce one has the last word.

        Each announcement has a later time than all before, whatever clock it comes with: that is how caches know of it.
        """
        newest = self._stamp()[0][1]
        at = at if newest is None else max(at, newest + timedelta(microseconds=1))
        known = {row.name: row.version for row in self._connection.execute(select(_type.c.name, _type.c.version))}
        released = [found for found in descriptions if known.get(found.name) != found.version]
        if released:
            self._connection.execute(
                insert(_release),
                [{"name": found.name, "version": found.version, "announced_at": at} for found in released],
            )
        new = [found for found in descriptions if found.name not in known]
        old = [found for found in descriptions if found.name in known]
        if new:
            self._connection.execute(
                insert(_type),
                [
                    {
                        "name": found.name,
                        "version": found.version,
                        "description": found.model_dump(),
                        "announced_at": at,
                    }
                    for found in new
                ],
            )
        if old:
            self._connection.execute(
                update(_type)
                .where(_type.c.name == bindparam("key"))
                .values(version=bindparam("v"), description=bindparam("d"), announced_at=bindparam("t")),
                [{"key": found.name, "v": found.version, "d": found.model_dump(), "t": at} for found in old],
            )

    def hear_from(self, worker_id: str, at: datetime) -> bool:
        """Note that a worker gave a sign of life. False if it is not known, or was declared gone."""
        return bool(_HEAR.execute(self._connection, {"worker": worker_id, "at": at}))

    def note_beat(self, worker_id: str, at: datetime, *, paused: str | None, clock_offset: float | None) -> bool:
        """Note a sign of life with what the worker says of itself. False as for `hear_from`."""
        values = {"worker": worker_id, "at": at, "paused": paused, "clock_offset": clock_offset}
        return bool(_BEAT.execute(self._connection, values))

    def is_present(self, worker_id: str) -> bool:
        """Tell whether a worker has announced itself and was not declared gone since."""
        found = _GONE.fetch(self._connection, {"worker": worker_id})
        return bool(found) and not found[0][0]

    def mark_draining(self, worker_id: str) -> bool:
        """Note that a worker is to stop. False if it is not known, or was declared gone."""
        present = update(_worker).where(_worker.c.worker_id == worker_id, _worker.c.gone.is_(False))
        return bool(self._connection.execute(present.values(draining=True)).rowcount)

    def is_draining(self, worker_id: str) -> bool:
        """Tell whether a worker is to stop."""
        found = _DRAINING.fetch(self._connection, {"worker": worker_id})
        return bool(found) and bool(found[0][0])

    def mark_gone(self, worker_id: str) -> bool:
        """Declare a worker gone. False if it is not known."""
        result = self._connection.execute(update(_worker).where(_worker.c.worker_id == worker_id).values(gone=True))
        return bool(result.rowcount)

    def find_task_types(self) -> dict[str, TaskTypeSpecification]:
        """Fetch all task types by name, as they were when this transaction began.

        What workers have announced counts before what EAS ships.
        """
        stamp = tuple(self._stamp()[0])
        if stamp != self._cache.stamp:
            self._cache.found = self._read_task_types()
            self._cache.stamp = stamp
        return self._cache.found

    def find_rules(self) -> dict[str, TaskTypeRules]:
        """Fetch what operators have set, by task type; read once in a transaction."""
        if self._rules is None:
            read = {name: _read(TaskTypeRules, rules) for name, rules in self._all_rules()}
            self._rules = {name: rules for name, rules in read.items() if rules is not None}
        return self._rules

    def save_rules(self, name: str, rules: TaskTypeRules, *, at: datetime, by: str) -> None:
        """Set the rules of a task type; empty ones are removed."""
        self._connection.execute(delete(_rules).where(_rules.c.name == name))
        if said := rules.said():
            self._connection.execute(insert(_rules).values(name=name, rules=said, set_at=at, set_by=by))
        self._rules = None
        self._all_rules = _ALL_RULES.foresee(self._connection)

    def _read_task_types(self) -> dict[str, TaskTypeSpecification]:
        rows = self._connection.execute(select(_type.c.description)).scalars()
        announced = [found for row in rows if (found := _read(TaskTypeDescription, row)) is not None]
        descriptions = read_shipped_task_types() | {found.name: found for found in announced}
        return {found.name: specify(found) for found in descriptions.values()}


def _read(model: type[Model], row: object) -> Model | None:
    """Read a description or rules of one task type; None, and a word in the log, where they are none."""
    try:
        return model.model_validate(row)
    except ValidationError as error:
        logger.error("a task type is left out: %s", describe_error(error))
        return None


def specify(found: TaskTypeDescription) -> TaskTypeSpecification:
    """Take from a description what jobs are checked by."""
    return TaskTypeSpecification(
        name=found.name,
        version=found.version,
        settings_schema=found.settings_schema,
        inputs={slot.name: slot.required for slot in found.inputs},
        outputs={slot.name: slot.required for slot in found.outputs},
        mime_types={slot.name: slot.mime_type for slot in found.outputs},
        open_outputs=found.open_outputs,
        uses_seed=found.uses_seed,
        estimates=tuple(found.estimates),
    )
