"""The Python client of a running suite, for scripts, notebooks and asynchronous programs.

`connect` returns a client whose calls wait for their answers. `connect_async` opens one whose calls are awaited. Both
have the same methods.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eas.client.log_service import LogClient
    from eas.client.notebook import Job, Product, Suite, Task, connect
    from eas.client.product_store import ProductStoreClient
    from eas.client.scheduler import SchedulerClient
    from eas.client.suite.downloads import Download
    from eas.client.suite.errors import FileError, JobTimeoutError, SuiteClosedError, SuiteError, SuiteNotFoundError
    from eas.client.suite.jobs import Job as AsyncJob
    from eas.client.suite.products import Product as AsyncProduct
    from eas.client.suite.suite import Suite as AsyncSuite
    from eas.client.suite.suite import connect as connect_async
    from eas.client.suite.tasks import Task as AsyncTask
    from eas.contracts.errors import EasError, InvalidJobError, NotFoundError, UnavailableError

#: Name to the module that defines it, and to its name there.
_NAMES = {
    "AsyncJob": ("eas.client.suite.jobs", "Job"),
    "AsyncProduct": ("eas.client.suite.products", "Product"),
    "AsyncSuite": ("eas.client.suite.suite", "Suite"),
    "AsyncTask": ("eas.client.suite.tasks", "Task"),
    "Download": ("eas.client.suite.downloads", "Download"),
    "EasError": ("eas.contracts.errors", "EasError"),
    "FileError": ("eas.client.suite.errors", "FileError"),
    "InvalidJobError": ("eas.contracts.errors", "InvalidJobError"),
    "Job": ("eas.client.notebook", "Job"),
    "JobTimeoutError": ("eas.client.suite.errors", "JobTimeoutError"),
    "LogClient": ("eas.client.log_service", "LogClient"),
    "NotFoundError": ("eas.contracts.errors", "NotFoundError"),
    "Product": ("eas.client.notebook", "Product"),
    "ProductStoreClient": ("eas.client.product_store", "ProductStoreClient"),
    "SchedulerClient": ("eas.client.scheduler", "SchedulerClient"),
    "Suite": ("eas.client.notebook", "Suite"),
    "SuiteClosedError": ("eas.client.suite.errors", "SuiteClosedError"),
    "SuiteError": ("eas.client.suite.errors", "SuiteError"),
    "SuiteNotFoundError": ("eas.client.suite.errors", "SuiteNotFoundError"),
    "Task": ("eas.client.notebook", "Task"),
    "UnavailableError": ("eas.contracts.errors", "UnavailableError"),
    "connect": ("eas.client.notebook", "connect"),
    "connect_async": ("eas.client.suite.suite", "connect"),
}

__all__ = [
    "AsyncJob",
    "AsyncProduct",
    "AsyncSuite",
    "AsyncTask",
    "Download",
    "EasError",
    "FileError",
    "InvalidJobError",
    "Job",
    "JobTimeoutError",
    "LogClient",
    "NotFoundError",
    "Product",
    "ProductStoreClient",
    "SchedulerClient",
    "Suite",
    "SuiteClosedError",
    "SuiteError",
    "SuiteNotFoundError",
    "Task",
    "UnavailableError",
    "connect",
    "connect_async",
]


def __getattr__(name: str) -> object:
    if name not in _NAMES:
        raise AttributeError(f"module 'eas.client' has no attribute {name!r}")
    module, attribute = _NAMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
