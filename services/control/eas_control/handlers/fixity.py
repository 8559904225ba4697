"""``eas products verify``: stored bytes against their digests, files against the catalogue."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import BaseModel

from eas.client.product_store import ProductStoreClient
from eas.client.suite import Suite
from eas.contracts.fixity import DamageView, OrphanView
from eas.contracts.products import VersionView
from eas_control.handlers.options import DataOption, JsonOption, ask
from eas_control.views.documents import print_json
from eas_control.views.text import plain

app = typer.Typer()

#: Exit statuses: 0 is all well, 2 a wrong command line.
DAMAGED = 1
ORPHANS = 3


class Findings(BaseModel):
    """What `eas products verify` found; `damaged` are all versions that are damaged now, whenever that was found."""

    checked: int = 0
    size: int = 0
    damaged: list[VersionView] = []
    healed: list[int] = []
    damages: list[DamageView] = []
    orphans: list[OrphanView] = []
    orphans_removed: bool = False


@app.command("verify")
def verify_files(
    delete_orphans: Annotated[bool, typer.Option(help="Remove files that no version names.")] = False,
    older_than: Annotated[
        float | None, typer.Option(min=0, help="How old such files are before they count [h]; else a day.")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare all stored bytes with their digests, and all files with the catalogue.

    Damaged bytes go to quarantine. The exit status is 0 if all is well, 1 if versions are damaged, 3 if there are only
    files that no version names.
    """

    async def verify(suite: Suite) -> Findings:
        store = suite.product_store
        found = Findings()
        await _check_bytes(store, found)
        await _list_damage(store, found)
        await _check_files(store, found, older_than=older_than, remove=delete_orphans)
        return found

    found = ask(data, verify)
    if as_json:
        print_json(found)
    else:
        _show(found)
    if found.damaged:
        raise typer.Exit(DAMAGED)
    if found.orphans and not found.orphans_removed:
        raise typer.Exit(ORPHANS)


async def _check_bytes(store: ProductStoreClient, found: Findings) -> None:
    after: int | None = 0
    while after is not None:
        report = await store.check_fixity(after=after)
        found.checked += report.checked
        found.size += report.size
        found.healed += report.healed
        after = report.next_after


async def _list_damage(store: ProductStoreClient, found: Findings) -> None:
    after: int | None = 0
    while after is not None:
        versions = await store.list_versions(damaged=True, after=after, limit=1000)
        found.damaged += [version for version in versions.items if not version.purged]
        after = versions.next_after
    after = 0
    while after is not None:
        damages = await store.list_damages(healed=False, after=after, limit=1000)
        found.damages += damages.items
        after = damages.next_after


async def _check_files(store: ProductStoreClient, found: Findings, *, older_than: float | None, remove: bool) -> None:
    after: str | None = ""
    while after is not None:
        report = await store.find_orphans(after=after, older_than_hours=older_than, remove=remove)
        found.orphans += report.orphans
        found.orphans_removed |= report.removed
        after = report.next_after


def _show(found: Findings) -> None:
    for version in found.damaged:
        print(plain(f"version {version.version_id} of {version.directory}/{version.filename} is damaged"))
    for damage in found.damages:
        place = f"quarantine/{damage.quarantined_as}" if damage.quarantined_as else f"bytes are {damage.custody}"
        print(plain(f"damage {damage.damage_id}: version {damage.version_id}, {damage.finding}; {place}"))
    for version_id in found.healed:
        print(f"version {version_id} is whole again")
    verb = "removed" if found.orphans_removed else "no version names"
    for orphan in found.orphans:
        print(plain(f"{verb} {orphan.name} of {orphan.size} bytes, from {orphan.modified_at:%Y-%m-%d %H:%M} UTC"))
    print(f"{found.checked} versions with {found.size} bytes were read")
