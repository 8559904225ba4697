"""Where a suite is: one URL, under which its services are mounted, and a token."""

from __future__ import annotations

from dataclasses import dataclass, field

SCHEDULER = "/scheduler"
PRODUCTS = "/products"
LOGS = "/logs"


@dataclass(frozen=True)
class SuiteAddress:
    """How to reach a suite.

    Parameters
    ----------
    url
        Without a slash at its end.
    token
        Bearer token; None for an open suite.
    """

    url: str
    token: str | None = field(default=None, repr=False)

    @property
    def scheduler_url(self) -> str:
        """Where the scheduler is mounted."""
        return self.url + SCHEDULER

    @property
    def product_store_url(self) -> str:
        """Where the product store is mounted."""
        return self.url + PRODUCTS

    @property
    def log_service_url(self) -> str:
        """Where the log service is mounted."""
        return self.url + LOGS
