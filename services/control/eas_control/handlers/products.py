"""``eas products``: the files that tasks made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from eas.client.suite import Download, Suite
from eas.client.suite.downloads import download_job
from eas.client.suite.paging import list_products
from eas.contracts.products import ProductView
from eas.contracts.provenance import MAX_DEPTH, Direction
from eas_control.domain.errors import UsageError
from eas_control.handlers import fixity, previews, removals
from eas_control.handlers.options import DataOption, JsonOption, ask
from eas_control.views.documents import print_json
from eas_control.views.provenance import tabulate_provenance
from eas_control.views.tables import tabulate_products
from eas_control.views.text import open_console, plain

app = typer.Typer(no_args_is_help=True, help="List and fetch the files that tasks made; say what stays and what goes.")
app.add_typer(removals.app)
app.add_typer(previews.app)
app.add_typer(fixity.app)

VersionArgument = Annotated[int, typer.Argument(min=0, help="A version's number.")]
ReasonOption = Annotated[str, typer.Option(help="Why; it is kept with the verdict.")]
GlobOption = Annotated[str | None, typer.Option(help="Only these filenames, such as '*.png'.")]


@app.command("ls")
def list_files(
    directory: Annotated[str | None, typer.Option(help="Only this directory of the store.")] = None,
    glob: GlobOption = None,
    job: Annotated[int | None, typer.Option(min=0, help="Only products of this job.")] = None,
    semantic_type: Annotated[str | None, typer.Option("--type", help="Only of this semantic type.")] = None,
    accepted: Annotated[
        bool | None, typer.Option("--accepted/--rejected", help="Only with a version that was judged so.")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="Only where this holds of their metadata: 'metadata.period > 3'.")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List products with their latest versions."""

    async def search(suite: Suite) -> list[ProductView]:
        return await list_products(
            suite.product_store,
            directory=directory,
            glob=glob,
            job_id=job,
            semantic_type=semantic_type,
            passed_qc=accepted,
            where=where or (),
        )

    found = ask(data, search)
    if as_json:
        print_json(found)
    else:
        open_console().print(tabulate_products(found))


@app.command("get")
def get_files(
    product: Annotated[str | None, typer.Argument(help="DIRECTORY/FILENAME, or a product's number.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File or folder to write to.")] = None,
    job: Annotated[int | None, typer.Option(min=0, help="Fetch all products of this job instead.")] = None,
    folder: Annotated[Path | None, typer.Option("--to", help="Folder for the products of a job.")] = None,
    glob: GlobOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch the latest version of a product, or of all products of a job, and verify the bytes."""
    if (product is None) == (job is None):
        raise UsageError("name one product (DIRECTORY/FILENAME or a number), or a job with --job JOB --to FOLDER")
    if product is not None:
        if folder is not None or glob is not None:
            raise UsageError("--to and --glob go with --job; a single product is written with -o")
        wanted = product

        async def fetch(suite: Suite) -> Download:
            return await (await suite.product(wanted)).download(output)

        _show([ask(data, fetch)], as_json=as_json, single=True)
        return
    if folder is None or output is not None:
        raise UsageError("--job needs --to FOLDER, and no -o")
    job_id, target = job or 0, folder
    fetched = ask(data, lambda suite: download_job(suite.product_store, job_id, target, glob=glob))
    _show(fetched, as_json=as_json, single=False)


@app.command("trace")
def trace_version(
    version: Annotated[int, typer.Argument(min=0, help="A version's number.")],
    direction: Annotated[
        Direction, typer.Option(help="Up: what it was made from. Down: what was made from it.")
    ] = Direction.BOTH,
    depth: Annotated[int, typer.Option(min=1, max=MAX_DEPTH, help="How many attempts in a row.")] = MAX_DEPTH,
    prov: Annotated[bool, typer.Option("--prov", help="Print W3C PROV-JSON.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the attempts, task types, settings and versions that a version comes from, and what was made from it."""
    if prov:
        print_json(
            ask(data, lambda suite: suite.scheduler.trace_version_as_prov(version, direction=direction, depth=depth))
        )
        return
    graph = ask(data, lambda suite: suite.scheduler.trace_version(version, direction=direction, depth=depth))
    if as_json:
        print_json(graph)
    else:
        open_console().print(tabulate_provenance(graph))


@app.command("accept")
def accept_version(
    version: VersionArgument, reason: ReasonOption, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Accept a version that quality control rejected; its task is done with it, and what it had blocked goes on."""
    _judge(version, reason, data, passed=True, as_json=as_json)


@app.command("reject")
def reject_version(
    version: VersionArgument, reason: ReasonOption, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Reject a version; its task has failed, what waits for it is blocked, and what had read it is listed."""
    _judge(version, reason, data, passed=False, as_json=as_json)


def _judge(version: int, reason: str, data: Path | None, *, passed: bool, as_json: bool) -> None:
    outcome = ask(data, lambda suite: suite.scheduler.judge_version(version, passed=passed, reason=reason))
    if as_json:
        print_json(outcome)
        return
    for task in outcome.tasks:
        withdrawn = f", {len(task.withdrawn)} queued attempts withdrawn" if task.withdrawn else ""
        print(f"task {task.task_id} is {task.state.value}{withdrawn}")
    if outcome.made_from_it.attempts:
        print("what had read the version:")
        open_console().print(tabulate_provenance(outcome.made_from_it))


def _show(found: list[Download], *, as_json: bool, single: bool) -> None:
    if not as_json:
        for download in found:
            print(plain(download.path))
        return
    described = [_describe(download) for download in found]
    print_json(described[0] if single else described)


def _describe(download: Download) -> dict[str, Any]:
    return {"path": str(download.path), **download.version.model_dump(mode="json")}
