"""One transaction of the scheduler, as the logic uses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from services.scheduler.domain.changes import Changes
from services.scheduler.storage.attempts import AttemptStore
from services.scheduler.storage.containers import ContainerStore
from services.scheduler.storage.control import ControlStore
from services.scheduler.storage.ids import IdStore
from services.scheduler.storage.jobs import DocumentCache, JobStore
from services.scheduler.storage.keys import KeyBlocks
from services.scheduler.storage.leadership import LeadershipStore
from services.scheduler.storage.losses import LossStore
from services.scheduler.storage.outbox import OutboxStore
from services.scheduler.storage.overrides import OverrideStore
from services.scheduler.storage.registry import RegistryStore, TaskTypeCache
from services.scheduler.storage.reuse import ReuseStore
from services.scheduler.storage.schema import TransitionRow
from services.scheduler.storage.tasks import TaskStore
from shared.database.engine import Database
from shared.database.prepared import prepare_insert

T = TypeVar("T")

_transition = TransitionRow.__table__  # type: ignore[attr-defined]
_ADD_TRANSITION = prepare_insert(
    _transition, "job_id", "task_id", "attempt_id", "state_before", "state_after", "reason", "at"
)


class SqlUnitOfWork:
    """The stores of one transaction. What is not saved before the command returns does not happen."""

    def __init__(
        self, connection: Connection, keys: KeyBlocks, documents: DocumentCache, task_types: TaskTypeCache
    ) -> None:
        self._connection = connection
        self.jobs = JobStore(connection, documents)
        self.tasks = TaskStore(connection, keys)
        self.attempts = AttemptStore(connection, keys)
        self.registry = RegistryStore(connection, task_types)
        self.containers = ContainerStore(connection)
        self.control = ControlStore(connection)
        self.reuse = ReuseStore(connection)
        self.overrides = OverrideStore(connection)
        self.outbox = OutboxStore(connection)
        self.losses = LossStore(connection)
        self.leadership = LeadershipStore(connection)
        self.ids = IdStore(connection, keys)

    def save(self, changes: Changes) -> None:
        """Write what follows from a command's verbs: its events, the jobs' counts and messages."""
        _ADD_TRANSITION.send(
            self._connection,
            (
                {
                    "job_id": step.job_id,
                    "task_id": step.task_id,
                    "attempt_id": step.attempt_id,
                    "state_before": step.before,
                    "state_after": step.after,
                    "reason": step.reason,
                    "at": step.at,
                }
                for step in changes.transitions
            ),
        )
        changes.finished_jobs += self.jobs.add_counts(changes.counts, changes.at)
        self.outbox.add(changes.messages, changes.at)

    def keep_turn(self) -> None:
        """Let a server hear of this transaction; it ends those that it hears nothing of (`Patience.idle`)."""
        if self._connection.dialect.name != "sqlite":
            self._connection.exec_driver_sql("SELECT 1")


class SqlTransactor:
    """Runs commands of the logic in transactions of the scheduler's database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys = KeyBlocks()
        self._documents = DocumentCache()
        self._task_types = TaskTypeCache()
        database.when_lost(self._forget)

    def _forget(self) -> None:
        """Rely on nothing that was read or reserved in transactions that may not have been committed."""
        self._keys.forget()
        self._documents.forget()
        self._task_types.stamp = None

    async def run(self, command: Callable[[SqlUnitOfWork], T]) -> T:
        """Run `command`; its result is returned once everything it did is durable."""

        def run_on(connection: Connection) -> T:
            free = self._keys.remember(connection)
            self._documents.remember()
            try:
                return command(SqlUnitOfWork(connection, self._keys, self._documents, self._task_types))
            except BaseException:
                self._keys.restore(free)
                self._documents.forget_new()
                raise

        return await self._database.write(run_on)
