"""The registry of worker containers over HTTP."""

from __future__ import annotations

from services.scheduler.handlers.examples import REGISTRY

from .conftest import Bench


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
