"""The Python client of a suite for notebooks and scripts: every call waits for its answer.

::

    with connect() as suite:
        job = suite.submit("job.json").wait()
        for result in job.results():
            print(result.task_type, result.outcome, result.metadata)

It may be used from several threads, and where an event loop runs already, as in Jupyter. See `eas.client.suite` for
the asynchronous face, which has the same methods.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from eas.client.blocking import Face, blocking, blocking_list, blocking_one, blocking_own, iterating
from eas.client.loop_thread import LoopThread
from eas.client.suite import Download, FileError, JobTimeoutError, SuiteClosedError, SuiteError, SuiteNotFoundError
from eas.client.suite import jobs as asynchronous_jobs
from eas.client.suite import products as asynchronous_products
from eas.client.suite import suite as asynchronous_suite
from eas.client.suite import tasks as asynchronous_tasks
from eas.client.suite.address import SuiteAddress
from eas.client.suite.endpoint import find_suite
from eas.client.suite.facts import JobFacts, ProductFacts, TaskFacts
from eas.contracts.products import ProductView
from eas.contracts.scheduler import JobView, TaskView

__all__ = [
    "Download",
    "FileError",
    "Job",
    "JobTimeoutError",
    "Product",
    "Suite",
    "SuiteClosedError",
    "SuiteError",
    "SuiteNotFoundError",
    "Task",
    "connect",
]

_Job = asynchronous_jobs.Job
_Product = asynchronous_products.Product
_Suite = asynchronous_suite.Suite
_Task = asynchronous_tasks.Task


class Product(Face[_Product], ProductFacts):
    """A product of the store: a file that a task made, or is to make."""

    @property
    def view(self) -> ProductView:
        """All that the product store said last."""
        return self._inner.view

    refresh = blocking_own(_Product.refresh)
    read = blocking(_Product.read)
    download = blocking(_Product.download)
    versions = blocking(_Product.versions)
    preview = blocking(_Product.preview)


class Task(Face[_Task], TaskFacts):
    """A task of a job."""

    @property
    def view(self) -> TaskView:
        """All that the scheduler said last."""
        return self._inner.view

    refresh = blocking_own(_Task.refresh)
    why = blocking(_Task.why)
    cancel = blocking_own(_Task.cancel)
    retry = blocking_own(_Task.retry)
    excuse = blocking_own(_Task.excuse)
    logs = blocking(_Task.logs)


class Job(Face[_Job], JobFacts):
    """A submitted job."""

    @property
    def view(self) -> JobView:
        """All that the scheduler said last."""
        return self._inner.view

    def wait(self, *, timeout: float | None = None, on_progress: Callable[[JobView], object] | None = None) -> Self:
        """Wait until it has ended, however it ended. A suite that is started again meanwhile is waited for, too.

        Parameters
        ----------
        timeout
            The longest to wait [s]; None for ever.
        on_progress
            Called twice a second, in the caller's thread, with how it stands.

        Raises
        ------
        JobTimeoutError
            It was still running then, and goes on.
        UnavailableError
            The scheduler has not answered for a minute.
        """
        for view in self.look_until_end(timeout=timeout):
            if on_progress is not None:
                on_progress(view)
        return self

    refresh = blocking_own(_Job.refresh)
    look_until_end = iterating(_Job.look_until_end)
    watch = iterating(_Job.watch)
    document = blocking(_Job.document)
    tree = blocking(_Job.tree)
    results = blocking(_Job.results)
    why = blocking(_Job.why)
    progress = blocking(_Job.progress)
    outcomes = blocking(_Job.outcomes)
    timings = blocking(_Job.timings)
    logs = blocking(_Job.logs)
    outputs = blocking_list(_Job.outputs, Product)
    download = blocking(_Job.download)
    cancel = blocking_own(_Job.cancel)
    pause = blocking_own(_Job.pause)
    resume = blocking_own(_Job.resume)
    retry = blocking_own(_Job.retry)
    reschedule = blocking_own(_Job.reschedule)
    excuse = blocking_own(_Job.excuse)


class Suite(Face[_Suite]):
    """A running suite. Use `connect` to have one.

    Raises
    ------
    UnavailableError
        From every call: the suite cannot be reached or did not answer in time. Trying again may help.
    EasError
        From every call: the class that the service raised.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; also for all jobs, tasks and products of this suite. May be repeated."""
        self._loop.close()

    @property
    def address(self) -> SuiteAddress:
        """Where it is."""
        return self._inner.address

    def __repr__(self) -> str:
        return f"<Suite at {self.address.url}>"

    check = blocking(_Suite.check)
    submit = blocking_one(_Suite.submit, Job)
    plan = blocking(_Suite.plan)
    jobs = blocking_list(_Suite.jobs, Job)
    job = blocking_one(_Suite.job, Job)
    task = blocking_one(_Suite.task, Task)
    products = blocking_list(_Suite.products, Product)
    product = blocking_one(_Suite.product, Product)
    task_types = blocking(_Suite.task_types)
    workers = blocking(_Suite.workers)
    containers = blocking(_Suite.containers)
    watch = iterating(_Suite.watch)
    logs = blocking(_Suite.logs)
    progress = blocking(_Suite.progress)
    outcomes = blocking(_Suite.outcomes)
    timings = blocking(_Suite.timings)
    errors = blocking(_Suite.errors)
    timeline = blocking(_Suite.timeline)
    queues = blocking(_Suite.queues)
    hosts = blocking(_Suite.hosts)
    purge_queue = blocking(_Suite.purge_queue)
    reschedule = blocking(_Suite.reschedule)
    set_rules = blocking(_Suite.set_rules)
    load_registry = blocking(_Suite.load_registry)
    assign_resources = blocking(_Suite.assign_resources)


def connect(where: Path | str | None = None, *, token: str | None = None) -> Suite:
    """Connect to a running suite: for a ``with`` block, or until `Suite.close`.

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
    inner = _Suite(find_suite(where, token=token))
    suite = Suite(inner, LoopThread(inner.close))
    try:
        suite.check()
    except BaseException:
        suite.close()
        raise
    return suite
