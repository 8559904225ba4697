"""``eas demo``: a whole suite, one campaign, its table and its reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from eas.client.suite import Download, Suite
from eas.contracts.scheduler import JobView, ResultView, TaskLine
from eas.contracts.states import JobState, TaskState
from eas_control.domain.discoveries import gather_discoveries
from eas_control.domain.errors import DemonstrationError, UsageError
from eas_control.domain.example_jobs import LIGHT_CURVE_SUFFIXES, choose_light_curves, fill_light_curves
from eas_control.handlers.options import ask
from eas_control.storage.demonstration_folder import DemonstrationFolder, read_example
from eas_control.storage.suite_process import start_suite
from eas_control.views.discoveries import tabulate_candidates, tabulate_recovery
from eas_control.views.progress import show_progress
from eas_control.views.tables import describe_job
from eas_control.views.text import open_console, plain
from eas_control.views.tree import write_tree

EXAMPLES = Path(__file__).parents[1] / "examples"
REPORT_GLOB = "report_*"


@dataclass(frozen=True)
class Campaign:
    """What came of the demonstration's job."""

    job: JobView
    results: list[ResultView]
    failures: list[TaskLine]
    reports: list[Download]


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the suite's data and the reports.")] = Path("build/demo"),
    light_curves: Annotated[
        Path | None, typer.Option(help="Search the light curves of this folder (FITS, CSV) instead of synthetic ones.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=1024, help="Worker processes.")] = 2,
    examples: Annotated[Path, typer.Option(help="Folder of the example jobs.")] = EXAMPLES,
) -> None:
    """Start a suite, search for planets, show what was found, and stop the suite."""
    document = _make_document(examples, light_curves)
    folder = DemonstrationFolder(out)
    text = folder.keep_job(document)
    console = open_console()
    console.print("starting the suite ...")
    with start_suite(folder.data, workers=workers, input_directory=light_curves):
        campaign = ask(folder.data, lambda suite: _run(suite, text, folder.reports))
    parameter = document["task_list"][0]["parameter"]
    discoveries = gather_discoveries(campaign.results, parameter)
    console.print(tabulate_candidates(discoveries) if light_curves else tabulate_recovery(discoveries))
    console.print(f"\nreports ({folder.reports}):")
    for report in campaign.reports:
        console.print(f"  {plain(report.path)}", soft_wrap=True)
    console.print(describe_job(campaign.job))
    for line in write_tree(campaign.failures):
        console.print(line, soft_wrap=True)
    if campaign.job.state is not JobState.DONE:
        raise typer.Exit(1)


def _make_document(examples: Path, light_curves: Path | None) -> dict[str, Any]:
    if light_curves is None:
        return read_example(examples, "injection_recovery.json")
    if not light_curves.is_dir():
        raise UsageError(f"--light-curves {light_curves}: no such folder")
    names = choose_light_curves(found.name for found in light_curves.iterdir() if found.is_file())
    if not names:
        raise DemonstrationError(f"{light_curves} has no light curves: expected {', '.join(LIGHT_CURVE_SUFFIXES)}")
    return fill_light_curves(read_example(examples, "light_curves.json"), names)


async def _run(suite: Suite, document: bytes, reports: Path) -> Campaign:
    job = await suite.submit(document)
    with show_progress() as on_progress:
        await job.wait(on_progress=on_progress)
    results = await job.results()
    failures = [line for line in await job.tree() if line.state is TaskState.FAILED]
    files = await job.download(reports, glob=REPORT_GLOB)
    return Campaign(job.view, results, failures, sorted(files, key=lambda file: file.path))
