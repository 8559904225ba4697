"""Puts a worker together from its settings."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from eas.amqp.wiring import make_fallback_publisher
from eas.client.log_service import LogClient
from eas.client.product_store import ProductStoreClient
from eas.client.scheduler import SchedulerClient
from eas.client.several import SeveralLogServices, SeveralSchedulers, SeveralStores
from eas.contracts.logs import LOG_QUEUE
from eas.journal.handler import JournalHandler
from eas.journal.reserve import JournalReserve
from eas.journal.shipper import LineSink, Shipper
from eas_worker.domain.limits import GIGABYTE, AttemptLimits
from eas_worker.domain.terms import WorkerTerms
from eas_worker.logic.ports import DoorbellSource, ProductStore, WorkSource
from eas_worker.logic.worker import Worker
from eas_worker.settings import WorkerSettings
from eas_worker.storage.broker_log_sink import BrokerLineSink
from eas_worker.storage.child_options import ChildOptions
from eas_worker.storage.child_state import RecyclePolicy
from eas_worker.storage.control_group import read_memory_bound
from eas_worker.storage.fork_server import ForkServer
from eas_worker.storage.input_cache import LocalInputCache
from eas_worker.storage.local_disk import LocalDisk
from eas_worker.storage.workspace import LocalWorkspace

logger = logging.getLogger(__name__)

#: How much of the memory that there is one attempt may use where nothing says more or less.
MEMORY_PART = 0.9


@asynccontextmanager
async def open_worker(settings: WorkerSettings) -> AsyncIterator[Worker]:
    """Make a worker, and clear up after it.

    Raises
    ------
    WorkspaceError
        The work directory cannot be used.
    TokenError
        The token cannot be read.
    """
    token = settings.read_token()
    async with AsyncExitStack() as stack:
        workspace = LocalWorkspace(settings.work_directory, settings.worker_id)
        stack.callback(workspace.close)
        if orphans := workspace.adopt_orphans():
            logger.warning("cleared up after %d workers that were killed", orphans)
        journal = JournalHandler(workspace.journal, settings.worker_id, level=logging.INFO)
        shipper = await _start_shipping(stack, settings, workspace, token, journal)
        source = await _open_source(stack, settings.scheduler_url, token)
        store = await _open_store(stack, settings.product_store_url, token)
        yield Worker(
            make_terms(settings),
            source,
            store,
            ForkServer(_make_options(settings, workspace), make_environment()),
            workspace,
            cache=_open_cache(settings, workspace),
            doorbells=await _open_doorbells(stack, settings),
            on_ended=shipper.wake if shipper else lambda: None,
            disk=_open_disk(settings, workspace),
            on_correction=partial(setattr, journal, "clock_ahead"),
        )


async def _open_source(stack: AsyncExitStack, urls: Sequence[str], token: str | None) -> WorkSource:
    clients = [await stack.enter_async_context(SchedulerClient(url, token)) for url in urls]
    return clients[0] if len(clients) == 1 else SeveralSchedulers(clients, urls)


async def _open_store(stack: AsyncExitStack, urls: Sequence[str], token: str | None) -> ProductStore:
    clients = [await stack.enter_async_context(ProductStoreClient(url, token)) for url in urls]
    return clients[0] if len(clients) == 1 else SeveralStores(clients, urls)


async def _open_logs(stack: AsyncExitStack, urls: Sequence[str], token: str | None) -> LineSink:
    clients = [await stack.enter_async_context(LogClient(url, token)) for url in urls]
    return clients[0] if len(clients) == 1 else SeveralLogServices(clients, urls)


async def _open_doorbells(stack: AsyncExitStack, settings: WorkerSettings) -> DoorbellSource | None:
    """Connect to the broker, whose library is imported only where there is one."""
    broker = settings.choose_broker()
    if broker is None:
        return None
    from eas.amqp.connection import BrokerConnection
    from eas.amqp.consumer import QueueConsumer
    from eas_worker.storage.doorbells import BrokerDoorbells

    connection = BrokerConnection(broker, name=f"worker {settings.worker_id}")
    await connection.start()
    stack.push_async_callback(connection.close)
    topology = settings.choose_topology()
    return BrokerDoorbells(lambda handler: QueueConsumer(connection, topology, handler, prefetch=0), topology)


def make_terms(settings: WorkerSettings) -> WorkerTerms:
    """Tell who the worker is and how it behaves."""
    return WorkerTerms(
        worker_id=settings.worker_id,
        host=socket.gethostname(),
        process_id=os.getpid(),
        slots=settings.count_slots(),
        cpus_per_slot=settings.cpus_per_slot,
        pinned=settings.pin_cpus,
        memory_gb=find_memory_gb(),
        container=settings.container,
        most_claimed=settings.most_claimed,
        horizon=settings.horizon,
        grace_seconds=settings.grace_seconds,
        drain_seconds=settings.drain_seconds,
    )


def find_memory_gb() -> float:
    """Tell how much memory an attempt may use where nobody has said otherwise [GB]."""
    return MEMORY_PART * read_memory_bound() / GIGABYTE


def make_environment() -> dict[str, str]:
    """Make the environment of science code: this one's, without the worker's own settings, its token among them."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EAS_")}
    environment.setdefault("MPLBACKEND", "agg")
    return environment


def _open_cache(settings: WorkerSettings, workspace: LocalWorkspace) -> LocalInputCache | None:
    """Open what the host's workers share; None where nothing is to be kept."""
    limit = int(settings.cache_gb * 1e9)
    return LocalInputCache(workspace.cache, limit, workspace.incoming) if limit else None


def _open_disk(settings: WorkerSettings, workspace: LocalWorkspace) -> LocalDisk | None:
    """Set aside room for log records, and find out how much there is for tasks; None where nobody is to look."""
    promised = int(settings.min_free_gb * GIGABYTE)
    reserve = JournalReserve(workspace.journal, int(settings.log_reserve_mb * 1e6))
    disk = LocalDisk(workspace.attempts, promised, reserve)
    disk.set_aside()
    return disk if promised else None


async def _start_shipping(
    stack: AsyncExitStack,
    settings: WorkerSettings,
    workspace: LocalWorkspace,
    token: str | None,
    journal: JournalHandler,
) -> Shipper | None:
    """Write this process's records to the spool, and ship all of it."""
    logging.getLogger().addHandler(journal)

    def finish_journal() -> None:
        logging.getLogger().removeHandler(journal)
        journal.close()

    stack.callback(finish_journal)
    if not settings.log_service_url:
        return None
    client = await _open_logs(stack, settings.log_service_url, token)
    shipper = Shipper(workspace.journal, await _choose_log_sink(stack, settings, client))
    await shipper.start()

    async def finish_shipping() -> None:
        finish_journal()  # so that its last file counts as finished
        if not await shipper.drain(settings.drain_seconds):
            logger.warning("log records stay in %s for the next worker to ship", workspace.journal)
        await shipper.stop()

    stack.push_async_callback(finish_shipping)
    return shipper


async def _choose_log_sink(stack: AsyncExitStack, settings: WorkerSettings, client: LineSink) -> LineSink:
    """Send log records through the broker where there is one."""
    publisher = make_fallback_publisher(settings, LOG_QUEUE, name=f"worker {settings.worker_id} logs")
    if publisher is None:
        return client
    await publisher.start()
    stack.push_async_callback(publisher.close)
    return BrokerLineSink(publisher, client)


def _make_options(settings: WorkerSettings, workspace: LocalWorkspace) -> ChildOptions:
    return ChildOptions(
        worker_id=settings.worker_id,
        control=-1,
        events=-1,
        message_folder=str(workspace.attempts),
        journal_folder=str(workspace.journal),
        task_types=settings.task_types,
        only=settings.only,
        task_type_folder=str(settings.task_type_folder.resolve()) if settings.task_type_folder else None,
        preload=settings.preload,
        preload_modules=settings.preload_modules,
        input_directory=str(settings.input_directory.resolve()) if settings.input_directory else None,
        commands=str(settings.commands.resolve()) if settings.commands else None,
        limits=AttemptLimits(settings.memory_gb, settings.cpu_timeout, settings.disk_gb, settings.max_processes),
        recycling=RecyclePolicy(settings.child_attempts, int(settings.child_growth_gb * GIGABYTE)),
        promised_room=int(settings.min_free_gb * GIGABYTE),
    )
