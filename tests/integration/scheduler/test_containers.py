"""The registry of worker containers over HTTP."""

from __future__ import annotations

import pytest

from eas.client.scheduler import SchedulerClient
from eas.contracts.containers import ResourcesView
from eas.contracts.errors import InvalidInputError, NotFoundError
from eas.contracts.scheduler import TaskTypeDescription, WorkerAnnouncement
from eas_scheduler.handlers.examples import REGISTRY

from .conftest import Bench

HAS = ResourcesView(cpu=6, gpu=0, memory_gb=0)


async def test_a_registry_is_loaded_and_assignments_survive_another_load(bench: Bench) -> None:
    loaded = await bench.http.put("/containers", content=REGISTRY)
    assert loaded.status_code == 200
    (container,) = loaded.json()["containers"]
    assert container["requested"] == container["assigned"] == {"cpu": 20.0, "gpu": 0, "memory_gb": 16.0}
    assert container["task_types"] == ["null", "transit_search_tls"]
    given = {"cpu": 4, "gpu": 2, "memory_gb": 8}
    assert (await bench.http.put("/containers/eas_worker_tls/assignment", json=given)).status_code == 200
    await bench.http.put("/containers", content=REGISTRY.replace("<cpu>20", "<cpu>10"))
    (container,) = (await bench.http.get("/containers")).json()["containers"]
    assert container["requested"]["cpu"] == 10
    assert container["assigned"] == given


async def test_a_bad_registry_changes_nothing(bench: Bench) -> None:
    await bench.http.put("/containers", content=REGISTRY)
    bad = REGISTRY.replace("<name>eas_worker_tls</name>", "<name>other</name>", 1)
    refused = await bench.http.put("/containers", content=bad)
    assert refused.status_code == 422
    assert "unknown container eas_worker_tls" in refused.json()["problems"][0]["message"]
    (container,) = (await bench.http.get("/containers")).json()["containers"]
    assert container["name"] == "eas_worker_tls"


async def test_what_is_not_there_cannot_be_assigned(bench: Bench) -> None:
    given = {"cpu": 1, "gpu": 0, "memory_gb": 1}
    assert (await bench.http.put("/containers/nobody/assignment", json=given)).status_code == 404
    await bench.http.put("/containers", content=REGISTRY)
    refused = await bench.http.put("/containers/eas_worker_tls/assignment", json=given | {"cpu": -1})
    assert refused.status_code == 422


async def announce(
    client: SchedulerClient, container: str | None, *task_types: str, worker_id: str = "w1", slots: int = 2
) -> ResourcesView | None:
    offered = [TaskTypeDescription(name=name, version="1", settings_schema={}) for name in task_types]
    announcement = WorkerAnnouncement(
        worker_id=worker_id,
        host="here",
        process_id=1,
        slots=slots,
        task_types=offered,
        container=container,
        resources=None if container is None else HAS,
    )
    return (await client.announce(announcement)).resources


async def test_a_worker_hears_what_its_container_was_given(bench: Bench) -> None:
    await bench.http.put("/containers", content=REGISTRY)
    assert await announce(bench.client, "eas_worker_tls") == ResourcesView(cpu=20, gpu=0, memory_gb=16)
    await bench.http.put("/containers/eas_worker_tls/assignment", json={"cpu": 3, "gpu": 1, "memory_gb": 2})
    assert await announce(bench.client, "eas_worker_tls") == ResourcesView(cpu=3, gpu=1, memory_gb=2)
    kinds = {found.worker_id: found.container for found in await bench.client.list_workers()}
    assert kinds["w1"] == "eas_worker_tls"


async def test_a_worker_of_no_container_is_given_nothing(bench: Bench) -> None:
    assert await announce(bench.client, None, "null") is None
    assert (await bench.http.get("/containers")).json() == {"containers": []}


async def test_an_unknown_container_is_added_with_what_its_first_worker_has_and_runs(bench: Bench) -> None:
    assert await announce(bench.client, "box") == HAS
    assert await announce(bench.client, "box", "null", "find") == HAS
    assert await announce(bench.client, "box", "make", worker_id="w2", slots=9) == HAS
    (container,) = (await bench.http.get("/containers")).json()["containers"]
    assert container["requested"] == container["assigned"] == HAS.model_dump()
    assert container["task_types"] == ["find", "null"]


async def test_what_the_registry_says_of_a_container_is_not_changed_by_its_workers(bench: Bench) -> None:
    await bench.http.put("/containers", content=REGISTRY)
    await announce(bench.client, "eas_worker_tls", "make")
    (container,) = (await bench.http.get("/containers")).json()["containers"]
    assert container["task_types"] == ["null", "transit_search_tls"]
    assert container["requested"]["cpu"] == 20


@pytest.mark.parametrize("name", ["all", "  ", "box "])
async def test_a_name_that_no_container_can_have_is_refused(bench: Bench, name: str) -> None:
    with pytest.raises(InvalidInputError, match="no name of a container"):
        await announce(bench.client, name, worker_id="new")
    assert "new" not in {found.worker_id for found in await bench.client.list_workers()}


async def test_the_client_loads_lists_and_assigns(bench: Bench) -> None:
    loaded = await bench.client.load_registry(REGISTRY.encode())
    assert loaded == await bench.client.list_containers()
    given = ResourcesView(cpu=3, gpu=1, memory_gb=2)
    assert (await bench.client.assign_resources("eas_worker_tls", given)).assigned == given
    (container,) = (await bench.client.list_containers()).containers
    assert (container.requested.cpu, container.assigned) == (20, given)
    with pytest.raises(NotFoundError, match="no container 'a/b'"):
        await bench.client.assign_resources("a/b", given)
    with pytest.raises(InvalidInputError, match="not XML") as caught:
        await bench.client.load_registry(b"<task_type_registry>")
    assert caught.value.where == "line 1, column 21"
