"""Metadata and words at each door of the product store, on real databases, which bear less than Python and JSON."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from sqlalchemy import make_url

from eas.contracts.metadata import MAX_KEYWORD_LENGTH
from eas.contracts.products import METADATA_HEADER
from eas.contracts.texts import MAX_AUTHOR, MAX_REASON
from eas.contracts.values import MAX_LEVELS, MAX_METADATA_BYTES
from eas_product_store.handlers.queued_messages import QueuedMessages

from .conftest import Store

pytestmark = pytest.mark.sqlite_only

DOORS = ("plan", "upload", "pieces", "deposit")
JSON = {"Content-Type": "application/json"}
PRODUCT: dict[str, Any] = {"directory": "d", "filename": "f", "semantic_type": "table", "job_id": 1}


def nest(levels: int) -> str:
    return "[" * levels + "1" + "]" * levels


async def send(store: Store, door: str, metadata: str) -> tuple[int, dict[str, Any]]:
    """Bring metadata, as JSON, through a door."""
    said = json.dumps(PRODUCT | {"attempt_id": 1, "task_id": 1})[:-1] + f', "metadata": {metadata}'
    match door:
        case "plan":
            promise = json.dumps(PRODUCT | {"generator_task_id": 1})[:-1] + f', "metadata": {metadata}}}'
            answer = await store.http.post("/plan", headers=JSON, content=f'{{"products": [{promise}]}}')
        case "upload":
            parameters = PRODUCT | {"attempt_id": 1, "task_id": 1}
            headers = {METADATA_HEADER: metadata}
            answer = await store.http.put("/versions", params=parameters, headers=headers, content=b"bytes")
        case "pieces":
            answer = await store.http.post("/uploads", headers=JSON, content=said + "}")
        case _:
            content = base64.b64encode(b"bytes").decode()
            text = f'{{"deposits": [{said}, "content": "{content}"}}]}}'
            answer = await store.http.post("/deposits", headers=JSON, content=text)
    found: dict[str, Any] = answer.json()
    return answer.status_code, found


@pytest.mark.parametrize("door", DOORS)
async def test_metadata_that_cannot_be_stored_are_refused_everywhere_alike(store: Store, door: str) -> None:
    unsound = [f'{{"a": {{"b": [{number}]}}}}' for number in (2**63, 2**64, -(2**63) - 1, "NaN", "1e400")]
    unsound += [f'{{"a": {nest(levels)}}}' for levels in (MAX_LEVELS, 190, 900, 20_000)]
    unsound += [json.dumps({key: 1}) for key in ("", "k" * (MAX_KEYWORD_LENGTH + 1))]
    unsound += [json.dumps({"a": {"k" * 300: 1}}), json.dumps({"a": "v" * MAX_METADATA_BYTES})]
    unsound += ['{"a": "\\ud800"}', '{"\\ud800": 1}']
    for metadata in unsound:
        status, answer = await send(store, door, metadata)
        if door == "deposit" and status == 200:  # each of several has an answer of its own
            assert answer["answers"][0]["version"] is None, metadata[:80]
            assert answer["answers"][0]["error"]["slug"] in ("invalid_input", "too_large")
        else:
            assert status in (400, 413, 422), (metadata[:80], answer)
    assert (await store.http.get("/products")).json()["items"] == []


@pytest.mark.parametrize("door", DOORS[:2])
async def test_metadata_at_the_borders_stay_what_they_are_and_are_found(store: Store, door: str) -> None:
    metadata = {
        "high": 2**63 - 1,
        "low": -(2**63),
        "zero": -0.0,
        "flag": True,
        "text": "NUL \0 end",
        "deep": json.loads(nest(MAX_LEVELS - 1)),
        "k" * MAX_KEYWORD_LENGTH: 1,
    }
    status, answer = await send(store, door, json.dumps(metadata))
    assert status in (200, 201), answer
    where = "products" if door == "plan" else "versions"
    (found,) = (await store.http.get(f"/{where}")).json()["items"]
    assert found["metadata"] == metadata
    assert str(found["metadata"]["zero"]) == "-0.0"
    if make_url(store.database_url).get_backend_name() == "mysql":
        return  # MariaDB does not look into what has more than 31 levels
    for condition in (f"metadata.high = {2**63 - 1}", f"metadata.low <= {-(2**63)}", "metadata.flag = true"):
        assert len((await store.http.get(f"/{where}", params={"where": condition})).json()["items"]) == 1


@pytest.mark.parametrize("door", ["HTTP", "broker"])
async def test_a_verdict_of_many_words_is_cut_and_kept(store: Store, door: str) -> None:
    version = await store.upload(b"bytes")
    verdict = {"attempt_id": 1, "passed": False, "reason": "r" * 100_000, "author": "a" * 1000}
    if door == "HTTP":
        answer = await store.http.post("/verdicts", json={"verdicts": [verdict]})
        assert answer.status_code == 200, answer.text
    else:
        factory = store.app.state.factory
        messages = QueuedMessages(factory.planning, factory.quality)
        body = json.dumps({"kind": "verdicts", "payload": {"verdicts": [verdict]}}).encode()
        assert await messages.take(body) == 1
    ((reason, author),) = store.fetch("SELECT reason, author FROM verdict")
    assert len(reason) <= MAX_REASON
    assert "characters cut" in reason
    assert len(author) <= MAX_AUTHOR
    assert (await store.client.get_version(version.version_id)).passed_qc is False
