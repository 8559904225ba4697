"""The composition root: the only file that knows both logic and storage."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from eas.amqp.wiring import make_fallback_publisher
from eas.background import cancel_and_wait, keep_running
from eas.contracts.products import PRODUCT_QUEUE
from eas.database.committer import Database
from eas.database.migrations import upgrade_schema
from eas.database.next_keys import raise_next_key
from eas.database.restored import is_marked_restored, remove_restored_mark
from eas.id_gate import IdGate
from eas_scheduler.domain.policies import RetryLimits
from eas_scheduler.domain.why import WhyRules
from eas_scheduler.logic.assignment import DispatchRules
from eas_scheduler.logic.control import Control
from eas_scheduler.logic.dead_letters import DeadLetters
from eas_scheduler.logic.dispatch import Dispatch
from eas_scheduler.logic.doorbell_relay import DoorbellRelay, DoorbellSweeper
from eas_scheduler.logic.events import Events
from eas_scheduler.logic.expansion import Expansion
from eas_scheduler.logic.explanation import Explanation
from eas_scheduler.logic.ids import CLOSED, GatedTransactor, IdComparison
from eas_scheduler.logic.inquiry import Inquiry
from eas_scheduler.logic.leadership import Election, LeadersTransactor
from eas_scheduler.logic.overrides import Overrides
from eas_scheduler.logic.peers import Peers
from eas_scheduler.logic.polls import Polls
from eas_scheduler.logic.ports import Clock, DeadLetterBox, ProductAnnouncer
from eas_scheduler.logic.provenance import Provenance
from eas_scheduler.logic.queues import Queues
from eas_scheduler.logic.reaper import Reaper
from eas_scheduler.logic.relay import Relay
from eas_scheduler.logic.reuse import Reuse
from eas_scheduler.logic.submission import Submission
from eas_scheduler.logic.timers import Timers
from eas_scheduler.logic.wakeups import Wakeups
from eas_scheduler.settings import SchedulerSettings
from eas_scheduler.storage.broker_announcer import BrokerAnnouncer
from eas_scheduler.storage.containers import ContainerCatalog
from eas_scheduler.storage.database import DATABASE
from eas_scheduler.storage.dead_letters import SqlDeadLetters
from eas_scheduler.storage.diagnostics import DiagnosticsReader
from eas_scheduler.storage.events import ChangeReader
from eas_scheduler.storage.explanations import ExplanationReader
from eas_scheduler.storage.ids import begin_noting
from eas_scheduler.storage.leadership import LeadershipReader
from eas_scheduler.storage.log_service import HttpLogService
from eas_scheduler.storage.product_store import HttpProductAnnouncer
from eas_scheduler.storage.provenance import ProvenanceReader
from eas_scheduler.storage.result_tables import ResultTableReader
from eas_scheduler.storage.sql_queues import SqlTaskQueues
from eas_scheduler.storage.unit_of_work import SqlTransactor
from eas_scheduler.storage.views import SchedulerViews

if TYPE_CHECKING:
    from eas_scheduler.storage.broker_queues import ConnectedTaskQueues

MIGRATIONS = DATABASE.migrations


def read_clock() -> datetime:
    """Return the time of this machine, in UTC."""
    return datetime.now(UTC)


def _find_log_service(settings: SchedulerSettings) -> HttpLogService | None:
    if settings.log_service_url is None:
        return None
    token = settings.log_service_token
    return HttpLogService(settings.log_service_url, token.get_secret_value() if token else None)


class SchedulerRuntime:
    """Makes the service's parts around one database.

    Parameters
    ----------
    settings
        Where the database, the broker and the other services are, and the terms of leases.
    clock
        Gives the time, in UTC.
    """

    def __init__(self, settings: SchedulerSettings, clock: Clock = read_clock) -> None:
        limits = RetryLimits(
            attempts=settings.max_attempts, losses=settings.max_losses, delay=settings.retry_delay_seconds
        )
        rules = DispatchRules(lease=timedelta(seconds=settings.lease_seconds), limits=limits)
        wakeups = Wakeups()
        polls = Polls(rules)
        token = settings.product_store_token
        self._database = Database(settings.database_url, cache_mb=settings.sqlite_cache_mb)
        self._announcer = HttpProductAnnouncer(settings.product_store_url, token.get_secret_value() if token else None)
        self._product_publisher = make_fallback_publisher(settings, PRODUCT_QUEUE, name="scheduler products")
        free = SqlTransactor(self._database, clock, wakeups.wake)
        gate = IdGate(CLOSED)
        # Requests that come right after a start wait until ids are assigned, plus one second.
        transactor = GatedTransactor(free, gate, seconds=settings.ids_patience_seconds + 1)
        self.max_document_bytes = settings.max_document_bytes
        self.views = SchedulerViews(self._database)
        self.containers = ContainerCatalog(self._database)
        self.submission = Submission(transactor, polls, settings.max_iterations)
        self.dispatch = Dispatch(transactor, wakeups, clock, polls)
        self.control = Control(transactor, wakeups)
        self._broker = self._find_broker(settings)
        boxes: list[DeadLetterBox] = [SqlDeadLetters(self._database)]
        if self._broker is not None:
            boxes.append(self._broker.dead_letters)
        self.dead_letters = DeadLetters(boxes, wakeups)
        self.queues = Queues(transactor, self._broker)
        self.inquiry = Inquiry(self.views, wakeups)
        self.explanation = Explanation(ExplanationReader(self._database), clock, WhyRules(limits, 2 * rules.lease))
        self.provenance = Provenance(self._announcer, ProvenanceReader(self._database))
        self.overrides = Overrides(transactor, self.provenance)
        self.diagnostics = DiagnosticsReader(self._database, clock, rules.lease / 4)
        self.result_tables = ResultTableReader(self._database)
        changes = ChangeReader(self._database)
        self.events = Events(changes, wakeups, settings.event_heartbeat_seconds)
        lease = timedelta(seconds=settings.leader_lease_seconds)
        self.leadership = LeadershipReader(self._database)
        self._election = Election(free, clock, settings.find_replica_name(), lease, self.leadership.find)
        leaders = LeadersTransactor(GatedTransactor(free, gate, seconds=None), self._election)
        self._leaders_loops = {
            "expansion": Expansion(leaders, wakeups, limits, settings.max_iterations).run,
            "recovery": Reaper(leaders, clock, limits, settings.reap_seconds, rules.lease).run,
            "reuse": Reuse(leaders, wakeups, polls, self._announcer, limits).run,
            "timers": Timers(leaders, wakeups, polls).run,
            "relay": Relay(leaders, wakeups, self._choose_announcer()).run,
        }
        outbox = SqlTaskQueues(self._database, clock)
        if self._broker is not None:
            patience, every = settings.ring_again_seconds, settings.sweep_seconds
            sweeper = DoorbellSweeper(outbox, self._broker, wakeups, clock, patience=patience, every=every)
            self._leaders_loops["sweeper"] = sweeper.run
        self._log_service = _find_log_service(settings)
        url = settings.database_url
        self._ids = IdComparison(
            free,
            gate,
            self._announcer,
            self._log_service,
            raise_next_job=partial(raise_next_key, url, "job", "id"),
            remove_mark=partial(remove_restored_mark, url),
            leads=lambda: self.leads,
            patience=settings.ids_patience_seconds,
        )
        self._marked = False
        self._own_loops: dict[str, Callable[[], Awaitable[None]]] = {
            "election": self._election.run,
            "ids": self._ids.run,
        }
        if not self._database.is_file:
            self._own_loops["peers"] = Peers(changes, wakeups, settings.peer_seconds).run
        if self._broker is not None:
            self._own_loops["ringer"] = DoorbellRelay(outbox, self._broker, wakeups, clock).run
        self._running: list[asyncio.Task[None]] = []

    def _choose_announcer(self) -> ProductAnnouncer:
        """Tell the product store through the broker where there is one."""
        if self._product_publisher is None:
            return self._announcer
        return BrokerAnnouncer(self._product_publisher, self._announcer.announce)

    @staticmethod
    def _find_broker(settings: SchedulerSettings) -> ConnectedTaskQueues | None:
        """Make the queues at the broker, whose library is imported only where there is one."""
        broker = settings.choose_broker()
        if broker is None:
            return None
        from eas_scheduler.storage.broker_queues import ConnectedTaskQueues

        return ConnectedTaskQueues(broker, settings.choose_topology())

    def prepare(self) -> None:
        """Bring the tables up to date. Blocks."""
        upgrade_schema(self._database.url, MIGRATIONS, owner=DATABASE)
        begin_noting(self._database.url)
        self._marked = is_marked_restored(self._database.url)

    @property
    def leads(self) -> bool:
        """Whether this scheduler is the one that leads."""
        return self._election.leads

    async def check(self) -> None:
        """Raise where the database cannot be read."""
        await self.views.check()

    async def start(self) -> None:
        """Accept commands and begin what runs in the background."""
        await self._database.start()
        if self._product_publisher is not None:
            await self._product_publisher.start()
        if self._broker is not None:
            await self._broker.start()
        self._ids.start(marked=self._marked)
        await self._election.start(self._leaders_loops)
        self._running = [
            asyncio.create_task(keep_running(name, loop), name=name) for name, loop in self._own_loops.items()
        ]

    async def stop(self) -> None:
        """End the background, commit what was accepted, and close."""
        await cancel_and_wait(self._running)
        await self._election.stop()
        if self._product_publisher is not None:
            await self._product_publisher.close()
        if self._broker is not None:
            await self._broker.close()
        await self._announcer.close()
        if self._log_service is not None:
            await self._log_service.close()
        await self._database.stop()
