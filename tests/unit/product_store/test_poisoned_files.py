"""One file, version, upload or message that cannot be handled does not stop the product store's loops."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from eas.background import attempt_step
from eas.contracts.errors import DamagedError, InvalidInputError, ProductExistsError, UnavailableError
from eas_product_store.domain.damage import Custody, Damage, StoredObject
from eas_product_store.domain.version import Fingerprint, Version
from eas_product_store.handlers.queued_messages import QueuedMessages
from eas_product_store.logic.fixity import Fixity
from eas_product_store.logic.orphans import Orphans
from eas_product_store.logic.quarantine import Quarantine
from eas_product_store.logic.recovery import Recovery
from eas_product_store.logic.removal import Removals
from eas_product_store.logic.resumption import ResumableUploads

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
BYTES = Fingerprint(md5="0" * 32, sha256="0" * 64, size=1)


class CatalogAccess:
    """A catalogue of which a test says what its stores answer."""

    def __init__(self, **stores: Any) -> None:
        self.stores = SimpleNamespace(**stores)

    async def read(self, query: Callable[[Any], Any]) -> Any:
        return query(self.stores)

    async def write(self, command: Callable[[Any], Any]) -> Any:
        return command(self.stores)


class Archive:
    """An archive that raises wherever it is to touch a bad file."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error or PermissionError("the disk does not let go of it")
        self.settled: list[str] = []
        self.removed: list[str] = []
        self.position = 0

    def check(self, names: Collection[str]) -> None:
        if any("bad" in name for name in names):
            raise self.error

    async def list_unsettled(self) -> list[str]:
        return ["a", "bad known", "b", "c", "bad", "d"]

    async def list_objects(self, after: str, limit: int) -> list[StoredObject]:
        return [StoredObject(name, 1, NOON - timedelta(days=9)) for name in ("e", "bad", "f")]

    async def settle(self, names: Collection[str]) -> None:
        self.check(names)
        self.settled += names

    async def remove(self, names: Collection[str]) -> None:
        self.check(names)
        self.removed += names

    async def quarantine(self, store_name: str, _name: str) -> bool:
        self.check([store_name])
        return False  # there is no file any more

    async def read_scrub_position(self) -> int:
        return self.position

    async def write_scrub_position(self, position: int) -> None:
        self.position = position


async def test_the_service_starts_although_an_incoming_file_cannot_be_tidied_up() -> None:
    archive = Archive()
    known = ["a", "bad known", "b"]
    catalog = CatalogAccess(versions=SimpleNamespace(find_store_names=lambda _: known))
    assert await Recovery(catalog, archive).run() == 2  # type: ignore[arg-type]
    assert (archive.settled, archive.removed) == (["a", "b"], ["c", "d"])


async def test_nothing_is_passed_over_at_the_start_while_the_archive_is_away() -> None:
    archive = Archive(UnavailableError("the bucket is away"))
    catalog = CatalogAccess(versions=SimpleNamespace(find_store_names=lambda _: ["bad known"]))
    with pytest.raises(UnavailableError):
        await Recovery(catalog, archive).run()  # type: ignore[arg-type]


async def test_damaged_versions_go_to_quarantine_whatever_is_wrong_with_one() -> None:
    def damage(number: int, name: str) -> Damage:
        return Damage(
            damage_id=number,
            version_id=number,
            store_name=name,
            expected=BYTES,
            finding="another digest",
            found_at=NOON,
            versions=1,
            custody=Custody.PENDING,
        )

    settled: list[int] = []
    damages = SimpleNamespace(
        find_pending=lambda: [damage(1, "a"), damage(2, "bad"), damage(3, "b")],
        settle=lambda damage_id, *_: settled.append(damage_id),
    )
    await Quarantine(CatalogAccess(damages=damages), Archive(), lambda: NOON).recover()  # type: ignore[arg-type]
    assert settled == [1, 3]


async def test_removed_versions_give_back_their_room_whatever_is_wrong_with_one_file() -> None:
    garbage = ["a", "bad", "b"]
    archive = Archive()

    def forget(names: Collection[str]) -> None:
        garbage[:] = [name for name in garbage if name not in names]

    removals = SimpleNamespace(
        list_garbage=lambda limit: garbage[:limit], forget_garbage=forget, find_condemned=lambda *_: []
    )
    collector = Removals(CatalogAccess(removals=removals), archive, lambda: NOON, grace=timedelta(0))  # type: ignore[arg-type]
    _, files = await collector.collect()
    assert (files, garbage, archive.removed) == (2, ["bad"], ["a", "b"])


async def test_orphans_are_removed_whatever_is_wrong_with_one() -> None:
    archive = Archive()
    archive.list_unsettled = lambda: _answer([])  # type: ignore[method-assign]
    catalog = CatalogAccess(versions=SimpleNamespace(find_orphans=lambda names: names))
    orphans = Orphans(catalog, archive, lambda: NOON, grace=timedelta(0))  # type: ignore[arg-type]
    found = await orphans.check("", 10, grace=None, remove=True)
    assert [file.store_name for file in found.orphans] == ["e", "f"]
    assert archive.removed == ["e", "f"]


async def _answer(value: Any) -> Any:
    return value


class Partials:
    """Bytes of uploads, of which one cannot be touched."""

    def __init__(self) -> None:
        self.removed: list[str] = []

    async def list_partials(self) -> list[str]:
        return ["a", "bad", "b"]

    async def measure_partial(self, upload_id: str) -> Any:
        return SimpleNamespace(size=1, changed_at=None)

    async def remove_partials(self, upload_ids: Sequence[str]) -> None:
        if "bad" in upload_ids:
            raise PermissionError("the disk does not let go of it")
        self.removed += upload_ids


async def test_old_uploads_are_forgotten_whatever_is_wrong_with_one() -> None:
    for verb in ("recover", "expire"):
        partials = Partials()
        stores = SimpleNamespace(
            find_known=lambda _: [], find_untouched=lambda _: ["a", "bad", "b"], remove=lambda _: None
        )
        uploads = ResumableUploads(
            CatalogAccess(uploads=stores),
            partials,  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
            lambda: NOON,
            lifetime=timedelta(0),
        )
        await getattr(uploads, verb)()
        assert partials.removed == ["a", "b"]


def version(number: int, name: str) -> Version:
    return Version(
        version_id=number,
        product_id=number,
        directory="d",
        filename=name,
        semantic_type="report",
        mime_type="text/plain",
        attempt_id=number,
        task_id=number,
        job_id=1,
        store_name=name,
        fingerprint=BYTES,
        created_at=NOON,
        passed_qc=True,
        damaged=False,
        metadata={},
    )


class Retrieval:
    """Opens versions: one is damaged, one cannot be opened for a reason that nobody thought of."""

    async def open(self, found: Version) -> Any:
        if found.store_name == "bad":
            raise PermissionError("not for you")
        if found.store_name == "damaged":
            raise DamagedError("another digest")
        return SimpleNamespace(prepare=lambda: _answer(None), close=lambda: _answer(None))


async def test_the_scrub_goes_on_past_a_version_that_cannot_be_checked() -> None:
    versions = [version(number, name) for number, name in enumerate(("a", "bad", "damaged", "b"), 1)]
    archive = Archive()
    stores = SimpleNamespace(
        select=lambda _selection, after, limit: [one for one in versions if one.version_id > after]
    )
    quarantine = SimpleNamespace(recover=lambda: _answer(0))
    fixity = Fixity(
        CatalogAccess(versions=stores),
        archive,  # type: ignore[arg-type]
        Retrieval(),  # type: ignore[arg-type]
        quarantine,  # type: ignore[arg-type]
        bytes_per_second=1e9,
    )
    found = await fixity.scrub()
    assert (found.checked, found.damaged, archive.position) == (3, [3], 0)


async def test_one_step_of_tidying_up_that_fails_does_not_keep_the_others_from_being_done() -> None:
    done: list[str] = []

    async def fail() -> None:
        raise PermissionError("a defect")

    async def succeed() -> None:
        done.append("removal")

    await attempt_step("quarantine", fail)
    await attempt_step("removal", succeed)
    assert done == ["removal"]


class Planning:
    """Takes promises, all of a call or none, except those with a bad name."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    async def register(self, promises: Sequence[Any], places: Sequence[str]) -> int:
        assert len(promises) == len(places)
        if any("bad" in promise.filename for promise in promises):
            raise ProductExistsError("another task promised it")
        self.taken += [promise.filename for promise in promises]
        return len(promises)


class Quality:
    """Takes verdicts, except of one attempt."""

    def __init__(self) -> None:
        self.taken: list[int] = []

    async def record(self, verdicts: Sequence[Any]) -> int:
        if any(verdict.attempt_id == 2 for verdict in verdicts):
            raise TypeError("a defect")
        self.taken += [verdict.attempt_id for verdict in verdicts]
        return len(verdicts)


def plan(*names: str) -> bytes:
    products = [
        {
            "directory": "d",
            "filename": name,
            "semantic_type": "report",
            "generator_task_id": 3,
            "job_id": 1,
            "planned_at": NOON.isoformat(),
        }
        for name in names
    ]
    return json.dumps({"kind": "plan", "payload": {"products": products}}).encode()


async def test_one_bad_product_of_a_queued_plan_does_not_drop_the_others() -> None:
    planning = Planning()
    queued = QueuedMessages(planning, Quality())  # type: ignore[arg-type]
    assert await queued.take(plan("a", "b")) == 2
    with pytest.raises(InvalidInputError, match="1 of 3 parts cannot be taken: product 'bad' in directory 'd'"):
        await queued.take(plan("c", "bad", "d"))
    with pytest.raises(InvalidInputError, match=r"1 of 3 parts cannot be taken: .*filename"):
        await queued.take(plan("e", "x" * 5000, "f"))
    assert planning.taken == ["a", "b", "c", "d", "e", "f"]
    with pytest.raises(InvalidInputError, match="not a plan and no verdicts"):
        await queued.take(b'{"kind": "plan"}')


async def test_one_bad_verdict_of_a_queued_message_does_not_drop_the_others() -> None:
    quality = Quality()
    verdicts = [{"attempt_id": number, "passed": True} for number in (1, 2, 3)]
    body = json.dumps({"kind": "verdicts", "payload": {"verdicts": verdicts}}).encode()
    with pytest.raises(InvalidInputError, match="the verdict on attempt 2: TypeError: a defect"):
        await QueuedMessages(Planning(), quality).take(body)  # type: ignore[arg-type]
    assert quality.taken == [1, 3]
