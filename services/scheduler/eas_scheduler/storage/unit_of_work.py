"""One transaction of the scheduler, as the logic uses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from eas.contracts.scheduler import JobView
from eas.database.committer import Database
from eas.database.prepared import prepare_insert
from eas_scheduler.domain.changes import Changes, Transition
from eas_scheduler.storage.attempts import AttemptStore
from eas_scheduler.storage.cancellation import CancellationStore
from eas_scheduler.storage.containers import ContainerStore
from eas_scheduler.storage.ids import IdStore
from eas_scheduler.storage.jobs import DocumentCache, JobStore
from eas_scheduler.storage.keys import KeyBlocks
from eas_scheduler.storage.leadership import LeadershipStore
from eas_scheduler.storage.losses import LossStore
from eas_scheduler.storage.outbox import OutboxStore
from eas_scheduler.storage.overrides import OverrideStore
from eas_scheduler.storage.registry import RegistryStore, TaskTypeCache
from eas_scheduler.storage.retries import RetryStore
from eas_scheduler.storage.reuse import ReuseStore
from eas_scheduler.storage.schema import transition_table as _transition
from eas_scheduler.storage.selection import SelectionStore
from eas_scheduler.storage.tasks import TaskStore

T = TypeVar("T")

_ADD_TRANSITION = prepare_insert(
    _transition, "job_id", "task_id", "attempt_id", "state_before", "state_after", "reason", "at"
)


class SqlUnitOfWork:
    """The stores of one transaction, and what it changes besides rows.

    `changes` are saved before the commit without a call: a command only notes them.
    """

    def __init__(
        self,
        connection: Connection,
        changes: Changes,
        keys: KeyBlocks,
        documents: DocumentCache,
        task_types: TaskTypeCache,
    ) -> None:
        self._connection = connection
        self.changes = changes
        self.jobs = JobStore(connection, documents)
        self.tasks = TaskStore(connection, keys)
        self.attempts = AttemptStore(connection, keys)
        self.registry = RegistryStore(connection, task_types)
        self.containers = ContainerStore(connection)
        self.selection = SelectionStore(connection)
        self.cancellation = CancellationStore(connection)
        self.retries = RetryStore(connection)
        self.reuse = ReuseStore(connection)
        self.overrides = OverrideStore(connection)
        self.outbox = OutboxStore(connection)
        self.losses = LossStore(connection)
        self.leadership = LeadershipStore(connection)
        self.ids = IdStore(connection, keys)

    def flush(self) -> None:
        """Write the changes that are not written yet: events, the jobs' counts and messages."""
        changes = self.changes
        unsaved = changes.take_unsaved()
        if unsaved.transitions:
            self._add_transitions(unsaved.transitions)
        if unsaved.counts:
            changes.finished_jobs += self.jobs.add_counts(unsaved.counts, changes.at)
        if unsaved.messages:
            self.outbox.add(unsaved.messages, changes.at)

    def describe_job(self, job_id: int) -> JobView:
        """Describe a job with the changes noted so far."""
        self.flush()
        return self.jobs.describe(job_id)

    def _add_transitions(self, transitions: Sequence[Transition]) -> None:
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
                for step in transitions
            ),
        )

    def keep_turn(self) -> None:
        """Let a server hear of this transaction; it ends those that it hears nothing of (`Patience.idle`)."""
        if self._connection.dialect.name != "sqlite":
            self._connection.exec_driver_sql("SELECT 1")


class SqlTransactor:
    """Runs commands of the logic in transactions of the scheduler's database.

    Parameters
    ----------
    database
        The scheduler's.
    clock
        Gives the time of each transaction, in UTC. It is read once for each, when the transaction is asked for.
    wake
        Called on the event loop after each commit with the changes of the transaction, even if the caller of `run`
        was cancelled meanwhile.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime], wake: Callable[[Changes], None]) -> None:
        self._database = database
        self._clock = clock
        self._wake = wake
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
        """Run `command`, save its changes and commit; return its result once everything it did is durable.

        A command that raises changes nothing and wakes no listener.
        """
        changes = Changes(self._clock())

        def run_on(connection: Connection) -> T:
            free = self._keys.remember(connection)
            self._documents.remember()
            try:
                unit = SqlUnitOfWork(connection, changes, self._keys, self._documents, self._task_types)
                result = command(unit)
                unit.flush()
                return result
            except BaseException:
                self._keys.restore(free)
                self._documents.forget_new()
                raise

        return await self._database.write(run_on, when_committed=lambda: self._wake(changes))
