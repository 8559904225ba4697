"""The Python client of a suite, asynchronous; see `eas.client.notebook` for the other face.

::

    async with connect() as suite:
        job = await suite.submit("job.json")
        await job.wait()
        for result in await job.results():
            print(result.task_type, result.outcome, result.metadata)
"""

from eas.client.suite.address import SuiteAddress
from eas.client.suite.downloads import Download
from eas.client.suite.errors import FileError, JobTimeoutError, SuiteClosedError, SuiteError, SuiteNotFoundError
from eas.client.suite.jobs import Job
from eas.client.suite.products import Product
from eas.client.suite.suite import Suite, connect
from eas.client.suite.tasks import Task

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
