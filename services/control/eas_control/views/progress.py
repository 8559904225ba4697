"""A bar on standard error while a job runs, if that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from eas_control.views.text import open_console, plain

if TYPE_CHECKING:
    from eas.contracts.scheduler import JobView


@contextmanager
def show_progress(*, hidden: bool = False) -> Iterator[Callable[[JobView], None]]:
    """Show a bar until the block ends. Gives what is to be called with the job whenever it was looked at."""
    console = open_console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=hidden or not console.is_terminal) as progress:
        bar = progress.add_task("waiting", total=None, note="")

        def update(job: JobView) -> None:
            counts = job.counts
            ended = counts.total - counts.open - counts.waiting
            trouble = [
                f"{number} {state}"
                for state, number in (("failed", counts.failed), ("blocked", counts.blocked))
                if number
            ]
            name = plain(job.name or f"job {job.job_id}")
            progress.update(bar, description=name, completed=ended, total=counts.total, note=", ".join(trouble))

        yield update
