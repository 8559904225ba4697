"""A flipped byte on disk is found, and never served as good."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shared.contracts.errors import DamagedError

if TYPE_CHECKING:
    from tests.integration.product_store.conftest import Store


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
