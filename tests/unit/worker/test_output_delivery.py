"""How outputs reach the product store: small ones together, and each by itself where that does not work."""

from __future__ import annotations

from pathlib import Path

import pytest

from eas.client.small_files import SmallFile
from eas.contracts.errors import EasError, GoneError, NotFoundError
from eas.contracts.products import VersionView
from eas.contracts.scheduler import ClaimedAttempt
from eas.contracts.states import FailureReason
from eas.testing.product_store import FakeProductStore
from eas_worker.domain.assignment import Answer, AnsweredOutput
from eas_worker.logic.transfer import Transfer, TransferError
from eas_worker.storage.workspace import LocalWorkspace


def claim(attempt_id: int = 1) -> ClaimedAttempt:
    return ClaimedAttempt(
        attempt_id=attempt_id,
        lease_token="t",
        number=1,
        task_id=attempt_id,
        job_id=1,
        task_type="null",
        settings={},
        working_directory="d",
        inputs={},
        outputs={},
    )


def answer(folder: Path, *contents: bytes) -> Answer:
    outputs = []
    for number, content in enumerate(contents):
        path = folder / f"{number}"
        path.write_bytes(content)
        outputs.append(AnsweredOutput(f"slot{number}", str(path), f"{number}.txt", "text/plain", {"n": number}))
    return Answer(1, "accepted", started_at=0.0, ended_at=1.0, outputs=outputs)


async def deliver(store: FakeProductStore, folder: Path, made: Answer) -> list[bytes]:
    workspace = LocalWorkspace(folder / "work", "w")
    try:
        stored = await Transfer(store, workspace).deliver(claim(), made)
    finally:
        workspace.close()
    assert [version.slot for version in stored] == [output.slot for output in made.outputs]
    assert [version.metadata for version in stored] == [output.metadata for output in made.outputs]
    return [store.contents[version.version_id] for version in stored]


async def test_small_outputs_go_together_and_long_ones_by_themselves(tmp_path: Path) -> None:
    store = FakeProductStore()
    contents = [b"one", b"x" * (1 << 20), b"two"]
    assert await deliver(store, tmp_path, answer(tmp_path, *contents)) == contents
    assert store.together == [2]


async def test_a_single_small_output_goes_by_itself(tmp_path: Path) -> None:
    store = FakeProductStore()
    assert await deliver(store, tmp_path, answer(tmp_path, b"one")) == [b"one"]
    assert store.together == []


async def test_what_is_refused_says_so(tmp_path: Path) -> None:
    store = FakeProductStore()
    await deliver(store, tmp_path, answer(tmp_path, b"one", b"two"))
    with pytest.raises(TransferError, match="slot1") as caught:
        await deliver(store, tmp_path, answer(tmp_path, b"one", b"other"))
    assert caught.value.reason is FailureReason.SCIENCE


class OlderStore(FakeProductStore):
    """A store that does not know how to take files together."""

    async def upload_many(self, files: list[SmallFile]) -> list[VersionView | EasError]:  # type: ignore[override]
        raise NotFoundError("no such path")


async def test_a_store_that_takes_no_files_together_gets_them_one_by_one(tmp_path: Path) -> None:
    assert await deliver(OlderStore(), tmp_path, answer(tmp_path, b"one", b"two")) == [b"one", b"two"]


class FaultyStore(FakeProductStore):
    """Has no bytes of what it is asked for."""

    error: EasError = NotFoundError("no bytes")

    async def download(self, version_id: int, target: Path, *, sha256: str | None = None) -> None:
        raise self.error


@pytest.mark.parametrize("error", [NotFoundError("no version 3"), GoneError("it was removed")])
async def test_an_input_that_the_store_no_longer_has_is_missing(tmp_path: Path, error: EasError) -> None:
    store = FaultyStore()
    version = store.put("lightcurve", "a.gz", b"bytes")
    store.error = error
    workspace = LocalWorkspace(tmp_path / "work", "w")
    claimed = claim().model_copy(update={"inputs": {"lightcurve": version}})
    try:
        with pytest.raises(TransferError, match=f"eas products reject {version.version_id} --reason") as caught:
            await Transfer(store, workspace).fetch(claimed)
    finally:
        workspace.close()
    assert caught.value.reason is FailureReason.MISSING
    assert error.message in caught.value.message
