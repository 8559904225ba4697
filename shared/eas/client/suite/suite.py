"""A whole suite for programs: submit jobs, look into them, and fetch what they made."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from eas.client.suite.assignments import assign
from eas.client.suite.clients import SuiteClients
from eas.client.suite.documents import JobDocument, read_document, read_text
from eas.client.suite.downloads import find_product
from eas.client.suite.endpoint import find_suite
from eas.client.suite.errors import SuiteNotFoundError
from eas.client.suite.jobs import Job
from eas.client.suite.paging import (
    MOST_RECORDS,
    gather_outcomes,
    gather_timings,
    list_jobs,
    list_products,
    list_records,
)
from eas.client.suite.products import Product
from eas.client.suite.tasks import Task
from eas.contracts.diagnostics import (
    HostTable,
    JobEnd,
    JobFilter,
    ProgressTable,
    QueueTable,
    ResultTables,
    StateChange,
    Timeline,
    TroublePage,
)
from eas.contracts.errors import UnavailableError
from eas.contracts.logs import LEVEL_NUMBERS, LogQuery, StoredRecord
from eas.contracts.states import JobState, LogLevel

if TYPE_CHECKING:
    from eas.contracts.containers import ContainerView
    from eas.contracts.execution import TaskTypeRules
    from eas.contracts.queues import PurgeResult, RescheduleResult
    from eas.contracts.scheduler import JobPlan, TaskTypeView, WorkerView

_EVERYTHING = JobFilter()


class Suite(SuiteClients):
    """A running suite. Use `connect` to have one.

    What it does not have is in the clients of its services: `scheduler`, `product_store`, `log_service`.

    Raises
    ------
    UnavailableError
        From every call: the suite cannot be reached or did not answer in time. Trying again may help.
    EasError
        From every call: the class that the service raised.
    """

    async def check(self) -> None:
        """See whether it answers, and lets us look.

        Raises
        ------
        SuiteNotFoundError
            Nothing answers there.
        UnauthenticatedError
            The token is missing or unknown.
        """
        try:
            await self.scheduler.list_jobs(limit=1)
        except UnavailableError as error:
            message = f"no suite answers at {self.address.url} ({error}); is it running? Start one with `eas up`"
            raise SuiteNotFoundError(message) from error

    async def submit(
        self, document: JobDocument, *, key: str | None = None, rerun: bool = False, reuse: bool = False
    ) -> Job:
        """Submit a job.

        Parameters
        ----------
        document
            A mapping, the path of a file, or JSON text. Mappings may hold numpy's arrays and numbers.
        key
            Up to 128 printable characters. Submitting the same document again under the same key gives the first job.
        rerun
            Make new versions of the job's products that exist already, which is refused otherwise.
        reuse
            Let tasks adopt what equal tasks made before, instead of running.

        Raises
        ------
        InvalidJobError
            It cannot be run; `problems` says all that is wrong with it.
        InvalidJsonError, InvalidInputError
            It is not JSON.
        FileError
            The file cannot be read.
        ProductExistsError
            Products of it exist already, or, for a re-run, are still being made; `problems` lists them.
        ConflictError
            The key was used for another document, or with another `rerun` or `reuse`.
        """
        text = await read_document(document)
        return Job(self, await self.scheduler.submit_job(text, idempotency_key=key, rerun=rerun, reuse=reuse))

    async def plan(self, document: JobDocument, *, rerun: bool = False, reuse: bool = False) -> JobPlan:
        """Ask what submitting a job would make. Raises what `submit` would raise; changes nothing."""
        return await self.scheduler.plan_job(await read_document(document), rerun=rerun, reuse=reuse)

    async def jobs(
        self, *, state: JobState | None = None, name: str | None = None, limit: int | None = None
    ) -> list[Job]:
        """List jobs, newest first."""
        return [Job(self, view) for view in await list_jobs(self.scheduler, state=state, name=name, limit=limit)]

    async def job(self, job_id: int) -> Job:
        """Look at a job. Raises NotFoundError."""
        return Job(self, await self.scheduler.get_job(job_id))

    async def task(self, task_id: int) -> Task:
        """Look at a task. Raises NotFoundError."""
        return Task(self, await self.scheduler.get_task(task_id))

    async def products(
        self, *, directory: str | None = None, glob: str | None = None, job_id: int | None = None
    ) -> list[Product]:
        """List products by directory, by filename (``*.png``), or by the job that makes them."""
        found = await list_products(self.product_store, directory=directory, glob=glob, job_id=job_id)
        return [Product(self, view) for view in found]

    async def product(self, wanted: str | int) -> Product:
        """Look at a product, named ``directory/filename`` or by its number. Raises NotFoundError."""
        return Product(self, await find_product(self.product_store, str(wanted)))

    async def task_types(self) -> list[TaskTypeView]:
        """List what jobs may name under ``task``, with the schemas of their settings."""
        return await self.scheduler.list_task_types()

    async def workers(self, *, everyone: bool = False) -> list[WorkerView]:
        """List the workers that are here; with `everyone` also those that are gone."""
        return [worker for worker in await self.scheduler.list_workers() if everyone or not worker.gone]

    async def containers(self) -> list[ContainerView]:
        """List the kinds of worker with what each asks for, was given, and can run."""
        return (await self.scheduler.list_containers()).containers

    async def watch(self, *, after: int | None = None) -> AsyncGenerator[StateChange | JobEnd, None]:
        """Go through the state changes of all jobs, from now on (or after the change of this `event_id`), for ever.

        Raises
        ------
        UnavailableError
            The stream broke off. Watch again after the last change that came.
        """
        async with aclosing(self.scheduler.follow(after=after)) as changes:
            async for change in changes:
                yield change

    async def logs(
        self,
        *,
        job_id: int | None = None,
        task_id: int | None = None,
        attempt_id: int | None = None,
        level: LogLevel = LogLevel.DEBUG,
        text: str | None = None,
        host: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        fields: Sequence[str] = (),
        limit: int | None = MOST_RECORDS,
    ) -> list[StoredRecord]:
        """List log records, oldest first: the latest `limit` of this level and above.

        Parameters
        ----------
        job_id, task_id, attempt_id
            Whose.
        level
            The lowest level.
        text
            Words that all stand in the message or the traceback; quoted words stand together, ``tran*`` is a beginning.
        host
            Where they were made.
        since, until
            From this time on, and before this time; with a time zone.
        fields
            Comparisons with typed fields, such as ``period>=3.5``.
        limit
            How many; None is all.
        """
        query = LogQuery(
            job_id=job_id,
            task_id=task_id,
            attempt_id=attempt_id,
            min_level=LEVEL_NUMBERS[level],
            text=text,
            host=host,
            since=since,
            until=until,
            field=list(fields),
        )
        return await list_records(self.log_service, query, limit)

    async def progress(self, chosen: JobFilter = _EVERYTHING) -> ProgressTable:
        """Count tasks by type and state."""
        return await self.scheduler.get_progress(chosen)

    async def outcomes(self, chosen: JobFilter = _EVERYTHING) -> ResultTables:
        """Tabulate what tasks inherited against PASS, FAIL and UNDEFINED."""
        return await gather_outcomes(self.scheduler, chosen)

    async def timings(self, chosen: JobFilter = _EVERYTHING) -> ResultTables:
        """Tabulate what tasks inherited against the run times of their attempts [s]."""
        return await gather_timings(self.scheduler, chosen)

    async def errors(self, chosen: JobFilter = _EVERYTHING, *, limit: int = 100) -> TroublePage:
        """List the latest attempts that did not end well, newest last."""
        return await self.scheduler.list_errors(chosen, limit=limit)

    async def timeline(
        self, chosen: JobFilter = _EVERYTHING, *, longer_than: float = 0.0, limit: int = 200
    ) -> Timeline:
        """Show which worker did what when: the latest attempts that took more than `longer_than` seconds."""
        return await self.scheduler.get_timeline(chosen, min_duration=longer_than, limit=limit)

    async def queues(self) -> QueueTable:
        """List the queues in which something waits."""
        return await self.scheduler.list_queues()

    async def hosts(self) -> HostTable:
        """List the machines whose workers are here."""
        return await self.scheduler.list_hosts()

    async def purge_queue(self, task_type: str) -> PurgeResult:
        """Cancel all that is queued of a task type, until it is rescheduled. Raises NotFoundError."""
        return await self.scheduler.purge_queue(task_type)

    async def reschedule(self, *, failed: bool = False) -> RescheduleResult:
        """Queue again what was purged, and with `failed` also what failed. Twice is as good as once."""
        return await self.scheduler.reschedule(failed=failed)

    async def set_rules(self, task_type: str, rules: TaskTypeRules) -> TaskTypeRules:
        """Set the rules for the attempts of a task type, in place of those before. Raises NotFoundError."""
        return await self.scheduler.set_rules(task_type, rules)

    async def load_registry(self, registry: Path | str | bytes) -> list[ContainerView]:
        """Add the containers and task types of a registry in XML, a file or the text itself.

        Raises
        ------
        InvalidInputError
            It is not a registry.
        FileError
            The file cannot be read.
        """
        return (await self.scheduler.load_registry(await read_text(registry, opening="<"))).containers

    async def assign_resources(
        self, name: str, *, cpu: float | None = None, gpu: int | None = None, memory_gb: float | None = None
    ) -> ContainerView:
        """Change what each worker of a container is given; what is None stays. Raises NotFoundError."""
        return await assign(self.scheduler, name, cpu=cpu, gpu=gpu, memory_gb=memory_gb)


@asynccontextmanager
async def connect(where: Path | str | None = None, *, token: str | None = None) -> AsyncIterator[Suite]:
    """Connect to a running suite, until the block ends.

    Parameters
    ----------
    where
        Its URL, or its data folder. Else ``EAS_URL`` counts, and then the folder ``eas-data``.
    token
        Bearer token. By default that of the data folder, or ``EAS_TOKEN`` where ``EAS_URL`` counts.

    Raises
    ------
    SuiteNotFoundError
        There is none; the message says how to have one.
    UnauthenticatedError
        The token is missing or unknown.
    """
    async with Suite(find_suite(where, token=token)) as suite:
        await suite.check()
        yield suite
