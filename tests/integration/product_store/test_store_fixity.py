"""A flipped byte on disk is found, and never served as good."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from eas.contracts.errors import DamagedError, UnavailableError
from tests.integration.product_store.conftest import running_store

pytestmark = pytest.mark.sqlite_only

if TYPE_CHECKING:
    from eas.contracts.products import VersionView
    from eas_product_store.runtime import ProductStoreRuntime
    from tests.integration.product_store.conftest import Place, Store


def flip(path: Path, at: int = -1) -> None:
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("harm", [flip, cut, Path.unlink])
@pytest.mark.parametrize("size", [100, 3 << 20])
async def test_damage_is_found_listed_and_not_served(store: Store, harm: Callable[[Path], None], size: int) -> None:
    sound = await store.upload(b"sound", "sound")
    before = set(store.objects())
    version = await store.upload(b"x" * size, "harmed", attempt=2)
    (path,) = set(store.objects()) - before
    harm(path)

    report = await store.client.check_fixity()

    assert (report.checked, report.damaged, report.next_after) == (2, [version.version_id], None)
    listed = (await store.client.list_versions(damaged=True)).items
    assert [found.version_id for found in listed] == [version.version_id]
    with pytest.raises(DamagedError):
        await store.client.read(version.version_id)
    assert await store.client.read(sound.version_id) == b"sound"
    # what is known to be damaged is not looked at again, and the same bytes by another attempt are stored anew
    assert (await store.client.check_fixity()).checked == 1
    again = await store.upload(b"x" * size, "harmed", attempt=3)
    assert await store.client.read(again.version_id) == b"x" * size


async def test_versions_that_share_bytes_are_damaged_together(store: Store) -> None:
    versions = [await store.upload(b"same", f"f{number}", attempt=number) for number in range(1, 4)]
    for path in store.objects():
        flip(path)
    await store.client.check_fixity(limit=1)
    await store.client.check_fixity()
    listed = (await store.client.list_versions(damaged=True)).items
    assert [found.version_id for found in listed] == [version.version_id for version in versions]


async def test_a_check_goes_on_where_it_ended(store: Store) -> None:
    ids = [(await store.upload(b"%d" % number, f"f{number}", attempt=number)).version_id for number in range(1, 4)]
    first = await store.client.check_fixity(limit=2)
    assert (first.checked, first.size, first.next_after) == (2, 2, ids[1])
    rest = await store.client.check_fixity(limit=2, after=ids[1])
    assert (rest.checked, rest.next_after) == (1, None)


async def test_the_scrub_finds_damage_and_keeps_its_place(store: Store) -> None:
    factory = store.app.state.factory
    for number in range(1, 102):
        await store.upload(b"%d" % number, f"f{number}", attempt=number)
    page = (await store.client.list_versions(limit=1000)).items
    harmed = page[0].version_id
    (path,) = [found for found in store.objects() if found.read_bytes() == b"1"]
    flip(path)
    await asyncio.to_thread((store.root / "archive" / "scrub").write_text, "0\n")
    found = await factory.fixity.scrub()
    assert (found.damaged, found.next_after) == ([harmed], page[99].version_id)
    place = await asyncio.to_thread((store.root / "archive" / "scrub").read_text)
    assert place == f"{page[99].version_id}\n"
    assert (await factory.fixity.scrub()).next_after is None
    assert (await store.client.get_version(harmed)).damaged


def factory_of(store: Store) -> ProductStoreRuntime:
    found: ProductStoreRuntime = store.app.state.factory
    return found


def quarantine(store: Store) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (store.root / "archive" / "quarantine").iterdir()}


async def harm_one(store: Store, harm: Callable[[Path], None] = flip) -> VersionView:
    """Store a version, and harm its bytes."""
    version = await store.upload(b"precious", "harmed")
    (path,) = store.objects()
    harm(path)
    return version


async def test_damaged_bytes_are_kept_in_quarantine_and_described(store: Store) -> None:
    version = await harm_one(store)
    await store.client.check_fixity()
    (damage,) = (await store.client.list_damages()).items
    assert (damage.version_id, damage.versions, damage.custody) == (version.version_id, 1, "quarantined")
    assert (damage.expected_sha256, damage.expected_size) == (version.sha256, 8)
    assert damage.found_sha256 not in (None, version.sha256)
    assert (damage.found_size, damage.healed_at) == (8, None)
    assert quarantine(store) == {damage.quarantined_as: b"preciour"}
    assert store.objects() == []


async def test_missing_bytes_are_described_as_missing(store: Store) -> None:
    await harm_one(store, Path.unlink)
    await store.client.check_fixity()
    (damage,) = (await store.client.list_damages(healed=False)).items
    assert (damage.custody, damage.quarantined_as, damage.found_sha256) == ("missing", None, None)


@pytest.mark.every_database
@pytest.mark.parametrize("attempt", [1, 2])
async def test_the_same_bytes_again_heal_all_that_share_them(store: Store, attempt: int) -> None:
    harmed = await harm_one(store)
    sharing = await store.upload(b"precious", "sharing", attempt=7)
    for path in store.objects():
        flip(path)
    await store.client.check_fixity()
    again = await store.upload(b"precious", "harmed", attempt=attempt)
    assert (again.version_id == harmed.version_id) == (attempt == 1)
    for version_id in (harmed.version_id, sharing.version_id, again.version_id):
        assert await store.client.read(version_id) == b"precious"
        assert not (await store.client.get_version(version_id)).damaged
    assert len(store.objects()) == 1
    assert store.incoming() == []
    assert (await store.client.list_damages(healed=False)).items == []
    (damage,) = (await store.client.list_damages(healed=True)).items
    assert list(quarantine(store)) == [damage.quarantined_as]
    assert (await store.client.check_fixity()).damaged == []


async def test_bytes_that_are_brought_back_heal(store: Store) -> None:
    version = await store.upload(b"precious", "harmed")
    (path,) = store.objects()
    copy = path.read_bytes()
    flip(path)
    await store.client.check_fixity()
    path.write_bytes(b"something else")
    assert (await store.client.check_fixity()).healed == []
    path.write_bytes(copy)
    report = await store.client.check_fixity()
    assert (report.healed, report.damaged) == ([version.version_id], [])
    assert await store.client.read(version.version_id) == b"precious"


@pytest.mark.every_database
async def test_a_finding_that_was_wrong_is_taken_back(store: Store) -> None:
    version = await store.upload(b"precious", "sound")
    factory = factory_of(store)
    with pytest.raises(UnavailableError, match="try again"):
        await factory.quarantine.report(await factory.inventory.get_version(version.version_id), "a bad read")
    assert await store.client.read(version.version_id) == b"precious"
    assert (await store.client.list_damages()).items == []
    assert quarantine(store) == {}


async def test_a_reader_of_bytes_that_healed_meanwhile_does_no_harm(store: Store) -> None:
    version = await harm_one(store)
    factory = factory_of(store)
    known_before = await factory.inventory.get_version(version.version_id)
    await store.client.check_fixity()
    await store.upload(b"precious", "harmed", attempt=2)
    with pytest.raises(UnavailableError):
        await factory.quarantine.report(known_before, "the bytes of before")
    assert await store.client.read(version.version_id) == b"precious"


async def test_bytes_are_moved_after_a_crash_in_between(store: Store) -> None:
    version = await harm_one(store)
    factory = factory_of(store)
    store.change("UPDATE version SET damaged_at = created_at")
    store.change(
        "INSERT INTO damage (version_id, store_name, md5, sha256, size, finding, found_at, versions, custody)"
        " SELECT version_id, store_name, md5, sha256, size, 'f', created_at, 1, 'pending' FROM version"
    )
    with pytest.raises(DamagedError):
        await store.client.read(version.version_id)
    assert await factory.quarantine.recover() == 1
    (damage,) = (await store.client.list_damages()).items
    assert quarantine(store) == {damage.quarantined_as: b"preciour"}
    assert await factory.quarantine.recover() == 0


async def test_files_that_no_version_names_are_found_and_removed(store: Store) -> None:
    version = await store.upload(b"named", "named")
    names = []
    for name in ("ab/ab01", "ab/ab02", "ff/README"):
        path = store.root / "archive" / "objects" / name
        path.write_bytes(b"12")
        os.utime(path, (1e9, 1e9))
        names.append(path)
    incoming = store.root / "archive" / "incoming" / "ab02"
    incoming.touch()

    report = await store.client.find_orphans()

    assert (report.checked, report.next_after, report.removed) == (4, None, False)
    assert [(orphan.name, orphan.size) for orphan in report.orphans] == [("ab01", 2), ("ff/README", 2)]
    assert all(path.exists() for path in names)
    # What is fresh may be about to get its row
    os.utime(names[0])
    assert [orphan.name for orphan in (await store.client.find_orphans()).orphans] == ["ff/README"]
    removed = await store.client.find_orphans(older_than_hours=0, remove=True)
    assert (len(removed.orphans), removed.removed) == (2, True)
    assert [path.exists() for path in names] == [False, True, False]
    assert await store.client.read(version.version_id) == b"named"


async def test_files_are_looked_at_part_by_part(store: Store) -> None:
    for number in range(1, 8):
        await store.upload(b"%d" % number, f"f{number}", attempt=number)
    seen = 0
    after: str | None = ""
    while after is not None:
        found = await factory_of(store).orphans.check(after, 3, grace=None, remove=False)
        seen += found.checked
        after = found.next_after
    assert seen == 7


async def test_files_of_purged_versions_count_as_orphans(store: Store) -> None:
    version = await store.upload(b"gone", "gone")
    (path,) = store.objects()
    copy = path.read_bytes()
    await store.http.post(f"versions/{version.version_id}/removal", json={"running_jobs": []})
    await store.http.post("garbage/collect", json={"grace_hours": 0})
    path.write_bytes(copy)
    assert [orphan.name for orphan in (await store.client.find_orphans(older_than_hours=0)).orphans] == [path.name]


@pytest.mark.every_database
async def test_a_version_that_is_purged_while_others_are_read_is_no_damage(store: Store) -> None:
    first = await store.upload(b"x" * 1000, "first", attempt=1)
    second = await store.upload(b"y", "second", attempt=2)
    factory: ProductStoreRuntime = store.app.state.factory
    # Both are looked up, and then the first is read at such a rate that the second has time to go.
    check = asyncio.create_task(factory.fixity.check(0, 10, bytes_per_second=500))
    await store.client.remove(second.version_id, running_jobs=[])
    assert (await store.client.collect_garbage(grace_hours=0)).files == 1
    found = await check
    assert (found.checked, found.damaged, found.next_after) == (1, [], None)
    assert (await store.client.list_versions(damaged=True)).items == []
    assert await store.client.read(first.version_id) == b"x" * 1000


async def test_damage_that_an_earlier_release_found_goes_to_quarantine(place: Place) -> None:
    async with running_store(place) as store:
        version = await harm_one(store)
    for statement in (
        "UPDATE version SET damaged_at = created_at",
        "DROP TABLE lost_tasks",
        "DROP TABLE damage",
        "ALTER TABLE product DROP COLUMN rerun",
        "UPDATE alembic_version SET version_num = '0005'",
    ):
        place.change(statement)
    async with running_store(place) as store:
        (damage,) = (await store.client.list_damages()).items
        assert (damage.version_id, damage.custody) == (version.version_id, "quarantined")
        assert quarantine(store) == {damage.quarantined_as: b"preciour"}
