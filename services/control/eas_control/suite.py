"""An embedded suite from its start to its end: three services on one port, and workers."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Any

from eas.client.scheduler import SchedulerClient
from eas.client.suite.address import SuiteAddress
from eas.contracts.errors import EasError
from eas.database.servers import create_database, is_on_server
from eas.http.auth import OpenListenerError, TokenTable, refuse_open_listener
from eas.temporary_folders import remove_left_behind
from eas_control.databases import ServiceDatabase, locate_databases
from eas_control.domain.errors import SuiteStartError
from eas_control.factory import create_suite_app, make_worker_settings
from eas_control.logic.predecessors import dismiss_predecessors
from eas_control.logic.stop_requests import StopRequests
from eas_control.logic.worker_pool import WorkerPool
from eas_control.storage.data_folder import DataFolder
from eas_control.storage.folder_origin import refuse_other_origin, write_origin
from eas_control.storage.listener import SuiteServer, local_url, open_listener
from eas_control.storage.worker_logs import WorkerLogs
from eas_control.storage.worker_process import WorkerProcess

#: How long workers may take to stop, besides their tasks' grace, before they are killed [s].
STOP_SECONDS = 50.0

#: New objects between two looks for garbage. Most of ours are gone before that, without any look.
GARBAGE_THRESHOLD = 20_000


@dataclass(frozen=True)
class SuiteTerms:
    """What the user wants.

    Parameters
    ----------
    data
        The data folder.
    host, port
        Where to listen; port 0 takes a free one.
    workers
        How many worker processes, each for one task at a time.
    input_directory
        Root of the external files that tasks may read.
    tokens_file
        The user's own tokens.
    grace_seconds
        What workers grant running tasks when they are to stop [s].
    task_types
        Folder of Python files with the user's own task types and quality checks.
    database
        URL of the server that the databases are on, in place of the data folder.
    broker
        URL of a RabbitMQ that services and workers use besides HTTP.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = 8321
    workers: int = 2
    input_directory: Path | None = None
    tokens_file: Path | None = None
    grace_seconds: float = 10.0
    task_types: Path | None = None
    database: str | None = None
    broker: str | None = None


async def run_suite(terms: SuiteTerms, stop: StopRequests, on_ready: Callable[[str], None]) -> None:
    """Run a suite until it is asked to stop.

    Parameters
    ----------
    terms
        What to run.
    stop
        The wish to stop.
    on_ready
        Called with the URL when the services answer and all workers have announced themselves.

    Raises
    ------
    SuiteRunningError
        The data folder belongs to a running suite.
    SuiteStartError
        It cannot start; the message says why.
    """
    folder = DataFolder(terms.data, terms.tokens_file)
    async with AsyncExitStack() as stack:
        stack.enter_context(folder.hold())
        await asyncio.to_thread(remove_left_behind)
        folder.refuse_half_restored()
        folder.prepare_tokens()
        databases = _prepare_databases(folder, terms.database)
        _refuse_strangers(terms.host, folder)
        listener = stack.enter_context(open_listener(terms.host, terms.port))
        address = SuiteAddress(local_url(listener), folder.choose_token({"operate"}))
        server = await stack.enter_async_context(_serve(folder, databases, address, terms.broker, listener))
        scheduler = await stack.enter_async_context(SchedulerClient(address.scheduler_url, address.token))
        await dismiss_predecessors(scheduler, folder.is_worker_alive)
        pool = await stack.enter_async_context(_employ(folder, address, terms, scheduler, stop))
        if not await _unless(stop.wait(), pool.start(), server):
            return
        gc.collect()
        gc.freeze()
        gc.set_threshold(GARBAGE_THRESHOLD)
        write_origin(folder, _choose_products(databases))
        folder.publish(address.url)
        on_ready(address.url)
        await _unless(stop.wait(), asyncio.Event().wait(), server)


def _prepare_databases(folder: DataFolder, server: str | None) -> list[ServiceDatabase]:
    """Find the databases, and make those on servers that are missing. Services make their tables themselves."""
    databases = locate_databases(folder, server, os.environ)
    refuse_other_origin(folder, _choose_products(databases))
    for found in databases:
        if is_on_server(found.url):
            create_database(found.url)
    return databases


def _choose_products(databases: Sequence[ServiceDatabase]) -> str:
    return next(found.url for found in databases if found.service == "product_store")


def _refuse_strangers(host: str, folder: DataFolder) -> None:
    try:
        refuse_open_listener(host, TokenTable.from_file(folder.tokens_file))
    except OpenListenerError as error:
        raise SuiteStartError(str(error)) from error


@asynccontextmanager
async def _serve(
    folder: DataFolder,
    databases: Sequence[ServiceDatabase],
    address: SuiteAddress,
    broker: str | None,
    listener: socket,
) -> AsyncIterator[asyncio.Task[None]]:
    """Run the services, then the server on them; at the end the server stops first."""
    app = create_suite_app(folder, databases, address, broker)
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(app.router.lifespan_context(app))
        except Exception as error:  # whatever a service finds wrong with its database or its files
            words = str(error) if isinstance(error, EasError) else f"{type(error).__name__}: {error}"
            raise SuiteStartError(f"a service cannot start: {words}") from error
        server = SuiteServer(app)
        serving = asyncio.create_task(server.serve([listener]))
        try:
            await server.is_open.wait()
            yield serving
        finally:
            server.should_exit = True
            await serving


@asynccontextmanager
async def _employ(
    folder: DataFolder, address: SuiteAddress, terms: SuiteTerms, scheduler: SchedulerClient, stop: StopRequests
) -> AsyncIterator[WorkerPool]:
    """Have a pool of workers, which is stopped at the end."""
    settings = make_worker_settings(folder, address)
    if terms.broker is not None:
        settings["EAS_WORKER_BROKER_URL"] = terms.broker
    if terms.input_directory is not None:
        settings["EAS_WORKER_INPUT_DIRECTORY"] = str(terms.input_directory.absolute())
    if terms.task_types is not None:
        settings["EAS_WORKER_TASK_TYPE_FOLDER"] = str(terms.task_types.absolute())

    logs = WorkerLogs(folder.worker_logs)

    async def start_worker(worker_id: str) -> WorkerProcess:
        return await WorkerProcess.start(worker_id, settings, logs)

    pool = WorkerPool(start_worker, scheduler, size=terms.workers, patience=STOP_SECONDS + terms.grace_seconds)
    try:
        yield pool
    finally:
        await pool.stop(stop.wait_for_another)


async def _unless(stop: Coroutine[Any, Any, Any], action: Coroutine[Any, Any, Any], server: asyncio.Task[None]) -> bool:
    """Do something until it is done (true) or the suite is to stop (false); the server must not end meanwhile."""
    acting, stopping = asyncio.create_task(action), asyncio.create_task(stop)
    try:
        await asyncio.wait({acting, stopping, server}, return_when=asyncio.FIRST_COMPLETED)
        if stopping.done():
            return False
        if server.done():
            raise SuiteStartError("the server has stopped") from server.exception()
        await acting
        return True
    except EasError:
        if stopping.done():
            return False
        raise
    finally:
        acting.cancel()
        stopping.cancel()
