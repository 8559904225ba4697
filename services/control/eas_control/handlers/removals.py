"""``eas products pin``, ``rm``, ``retention``…: what stays and what goes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from eas.client.suite import Suite
from eas.client.suite.paging import list_jobs
from eas.contracts.products import VersionView
from eas.contracts.retention import QuotaView, RetentionReport, RetentionRequest, RetentionRuleView
from eas.contracts.states import JobState
from eas_control.domain.errors import UsageError
from eas_control.handlers.options import DataOption, JsonOption, ask
from eas_control.views.documents import print_json
from eas_control.views.removals import tabulate_findings, tabulate_quotas
from eas_control.views.text import open_console, plain

app = typer.Typer()

VersionsArgument = Annotated[list[int], typer.Argument(metavar="VERSION...", min=0, help="Numbers of versions.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it is kept with the version.")]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Also accepted versions of jobs that run; pinned ones stay.")
]


@app.command("pin")
def pin_versions(
    versions: VersionsArgument, reason: ReasonOption = "", data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Keep versions whatever happens."""

    async def pin(suite: Suite) -> list[VersionView]:
        return [await suite.product_store.pin(version, reason) for version in versions]

    _show(ask(data, pin), "pinned", as_json=as_json)


@app.command("unpin")
def unpin_versions(versions: VersionsArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Take pins away."""

    async def unpin(suite: Suite) -> list[VersionView]:
        return [await suite.product_store.unpin(version) for version in versions]

    _show(ask(data, unpin), "no longer pinned", as_json=as_json)


@app.command("rm")
def remove_versions(
    versions: VersionsArgument,
    reason: ReasonOption = "",
    force: ForceOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove versions; they can be restored until their time of grace is over."""

    async def remove(suite: Suite) -> list[VersionView]:
        jobs = await _find_running_jobs(suite)
        return [
            await suite.product_store.remove(version, running_jobs=jobs, reason=reason, force=force)
            for version in versions
        ]

    _show(ask(data, remove), "removed", as_json=as_json)


@app.command("restore")
def restore_versions(versions: VersionsArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Take removals back."""

    async def restore(suite: Suite) -> list[VersionView]:
        return [await suite.product_store.restore(version) for version in versions]

    _show(ask(data, restore), "restored", as_json=as_json)


@app.command("gc")
def collect_garbage(
    grace: Annotated[
        float | None, typer.Option(min=0, help="Time of grace [h]; else as the store is set up. 0: purge all now.")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give the room of removed versions back, for good."""
    report = ask(data, lambda suite: suite.product_store.collect_garbage(grace_hours=grace))
    if as_json:
        print_json(report)
    else:
        print(f"{report.versions} versions of {report.bytes} bytes purged, {report.files} files removed")


@app.command("retention")
def apply_retention(
    rules: Annotated[Path, typer.Argument(help="A JSON file with a list of rules.", exists=True, dir_okay=False)],
    run: Annotated[bool, typer.Option("--run", help="Remove the versions; else only tell.")] = False,
    force: ForceOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what retention rules would remove, or remove it."""
    try:
        read = TypeAdapter(list[RetentionRuleView]).validate_json(rules.read_bytes())
    except ValidationError as error:
        raise UsageError(f"{rules}: {error}") from error

    async def apply(suite: Suite) -> RetentionReport:
        request = RetentionRequest(rules=read, running_jobs=await _find_running_jobs(suite), force=force)
        store = suite.product_store
        return await (store.run_retention(request) if run else store.plan_retention(request))

    report = ask(data, apply)
    if as_json:
        print_json(report)
    else:
        open_console().print(tabulate_findings(report.findings))


@app.command("quota")
def show_quotas(
    directory: Annotated[str | None, typer.Argument(help="Set the quota of this directory.")] = None,
    max_bytes: Annotated[int | None, typer.Option("--max", min=0, help="How much it may hold [bytes].")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take its quota away.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List quotas; set or take away that of a directory."""
    if (directory is None) == (max_bytes is not None or remove) or (remove and max_bytes is not None):
        raise UsageError("with a directory, give either --max BYTES or --remove; without one, quotas are listed")

    async def change(suite: Suite) -> list[QuotaView]:
        if directory is not None and remove:
            await suite.product_store.remove_quota(directory)
        elif directory is not None and max_bytes is not None:
            await suite.product_store.put_quota(directory, max_bytes)
        return await suite.product_store.list_quotas()

    quotas = ask(data, change)
    if as_json:
        print_json(quotas)
    else:
        open_console().print(tabulate_quotas(quotas))


async def _find_running_jobs(suite: Suite) -> list[int]:
    return [job.job_id for job in await list_jobs(suite.scheduler, state=JobState.RUNNING)]


def _show(versions: list[VersionView], what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(versions)
        return
    for version in versions:
        name = f"{version.directory}/{version.filename}" if version.directory else version.filename
        print(f"version {version.version_id} of {plain(name)} is {what}")
