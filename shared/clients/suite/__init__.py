"""The Python client of a suite, asynchronous; see `shared.clients.notebook` for the other face.

::

    async with connect() as suite:
        job = await suite.submit("job.json")
        await job.wait()
        for result in await job.results():
            print(result.task_type, result.outcome, result.metadata)
"""

from shared.clients.suite.address import SuiteAddress
from shared.clients.suite.downloads import Download
from shared.clients.suite.errors import FileError, JobTimeoutError, SuiteClosedError, SuiteError, SuiteNotFoundError
from shared.clients.suite.jobs import Job
from shared.clients.suite.products import Product
from shared.clients.suite.suite import Suite, connect
from shared.clients.suite.tasks import Task

__all__ = [
    "Download",
    "FileError",
    "Job",
    "JobTimeoutError",
    "Product",
    "Suite",
    "SuiteAddress",
    "SuiteClosedError",
    "SuiteError",
    "SuiteNotFoundError",
    "Task",
    "connect",
]
