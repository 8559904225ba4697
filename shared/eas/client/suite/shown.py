"""What jobs, tasks and products of the client have in common: a view, and where to ask for a newer one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from eas.client.suite.clients import SuiteClients

View = TypeVar("View")


class Shown(Generic[View]):
    """Something of a suite that was last seen as a view.

    Parameters
    ----------
    clients
        Of its suite.
    view
        What is known of it.
    """

    def __init__(self, clients: SuiteClients, view: View) -> None:
        self._clients = clients
        self._view = view

    @property
    def view(self) -> View:
        """All that its service said last."""
        return self._view
