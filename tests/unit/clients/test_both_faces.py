"""The blocking face offers what the asynchronous one does, with the same parameters and words."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from eas.client import notebook, suite

PAIRS = [
    (suite.Suite, notebook.Suite),
    (suite.Job, notebook.Job),
    (suite.Task, notebook.Task),
    (suite.Product, notebook.Product),
]
#: The clients of the single services are asynchronous only.
RAW = {"scheduler", "product_store", "log_service"}


def offered(kind: type) -> dict[str, Any]:
    return {name: member for name, member in inspect.getmembers(kind) if not name.startswith("_")}


def parameters(method: Callable[..., Any]) -> list[tuple[str, object, object]]:
    found = list(inspect.signature(method).parameters.values())[1:]
    return [(parameter.name, parameter.kind, parameter.default) for parameter in found]


@pytest.mark.parametrize(("asynchronous", "blocking"), PAIRS, ids=lambda kind: kind.__module__)
def test_both_faces_offer_the_same(asynchronous: type, blocking: type) -> None:
    theirs, ours = offered(asynchronous), offered(blocking)

    assert theirs.keys() - RAW == ours.keys() - {"address"}
    for name, method in ours.items():
        if not callable(method):
            continue
        assert parameters(method) == parameters(theirs[name]), name
        assert not inspect.iscoroutinefunction(method)
        assert not inspect.isasyncgenfunction(method)
        assert method.__doc__, name
        assert method.__doc__.splitlines()[0] == theirs[name].__doc__.splitlines()[0] or name == "close"


def test_both_are_connected_in_the_same_way() -> None:
    assert inspect.signature(suite.connect).parameters == inspect.signature(notebook.connect).parameters


def test_both_export_the_same_names() -> None:
    assert set(suite.__all__) - set(notebook.__all__) == {"SuiteAddress"}
