"""What operators change of what containers were given, and how it is shown."""

from __future__ import annotations

import pytest
from rich.console import Console

from eas.client.suite.assignments import assign
from eas.contracts.containers import ContainerView, RegistryView, ResourcesView
from eas.contracts.errors import NotFoundError
from eas_control.views.tables import tabulate_containers

ASKED = ResourcesView(cpu=20, gpu=1, memory_gb=16)


class Containers:
    """One container that remembers what it is given."""

    def __init__(self) -> None:
        self.box = ContainerView(name="box", requested=ASKED, assigned=ASKED, task_types=["find", "make"])

    async def list_containers(self) -> RegistryView:
        return RegistryView(containers=[self.box])

    async def assign_resources(self, name: str, resources: ResourcesView) -> ContainerView:
        assert name == "box"
        self.box = self.box.model_copy(update={"assigned": resources})
        return self.box


async def test_what_is_not_said_stays() -> None:
    containers = Containers()
    assert (await assign(containers, "box", cpu=3)).assigned == ResourcesView(cpu=3, gpu=1, memory_gb=16)
    assert (await assign(containers, "box", gpu=0, memory_gb=0)).assigned == ResourcesView(cpu=3, gpu=0, memory_gb=0)


async def test_an_unknown_container_is_named_with_those_that_there_are() -> None:
    with pytest.raises(NotFoundError, match="no container 'bix'; there are: box"):
        await assign(Containers(), "bix", cpu=3)


def test_the_table_tells_what_was_given_from_what_was_asked_for() -> None:
    box = ContainerView(
        name="box", requested=ASKED, assigned=ASKED.model_copy(update={"cpu": 3.0}), task_types=["find", "make"]
    )
    console = Console(width=120, record=True)
    console.print(tabulate_containers([box]))
    (_, line) = console.export_text().strip().splitlines()
    assert line.split() == ["box", "3", "(20)", "1", "16", "find", "make"]
