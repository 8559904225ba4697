"""The commands of `eas`: what the list of them shows, and where each is, so that only the one that runs is imported."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

import typer

_HANDLERS = "eas_control.handlers"


@dataclass(frozen=True)
class Entry:
    """One command, or one group of commands.

    Parameters
    ----------
    name
        What the user types.
    place
        Its module below the handlers, and its name there.
    help
        What the list of commands says: the first paragraph of its own help.
    """

    name: str
    place: str
    help: str

    def load(self) -> Callable[..., object] | typer.Typer:
        """Import the command or the group."""
        module, _, name = self.place.partition(":")
        found: Callable[..., object] | typer.Typer = getattr(import_module(f"{_HANDLERS}.{module}"), name)
        return found


ENTRIES = (
    Entry("up", "serving:up", "Run all services and workers here, until Ctrl-C. A second Ctrl-C is harsher."),
    Entry("submit", "jobs:submit", "Submit a job. Exit status: 0 submitted (with --wait: done), 1 failed, 2 refused."),
    Entry(
        "plan",
        "job_control:plan",
        "Check a job and count what it would make, without submitting it. Exit status: 0 it could run, 2 refused.",
    ),
    Entry("jobs", "jobs:jobs", "List jobs, newest first."),
    Entry("tree", "jobs:tree", "Show a job's tasks as a tree."),
    Entry("task", "jobs:task", "Show a task with its attempts."),
    Entry("results", "jobs:results", "List the outcomes of a job's finished tasks."),
    Entry("cancel", "job_control:cancel", "End everything of a job, or a task and all below it, that has not ended."),
    Entry("pause", "job_control:pause", "Hand out nothing more of a job; what runs goes on."),
    Entry("resume", "job_control:resume", "Go on with a paused job."),
    Entry("retry", "job_control:retry", "Try again what failed in a job; what it had blocked then goes on."),
    Entry(
        "excuse", "job_control:excuse", "Count a failed task as done, without results, where nobody needs its files."
    ),
    Entry("why", "diagnostics:why", "Explain why a task waits, runs, ran again, is blocked or failed."),
    Entry(
        "watch", "diagnostics:watch", "Print a job's state changes until it ends. Exit status: 0 only if it is done."
    ),
    Entry("progress", "diagnostics:progress", "Count tasks by type and state."),
    Entry("outcomes", "diagnostics:outcomes", "Tabulate what tasks inherited against PASS, FAIL and UNDEFINED."),
    Entry(
        "timings", "diagnostics:timings", "Tabulate what tasks inherited against the run times of their attempts [s]."
    ),
    Entry("errors", "diagnostics:errors", "List attempts that failed, were lost or were rejected, newest last."),
    Entry("timeline", "diagnostics:timeline", "Show which worker did what when."),
    Entry("hosts", "diagnostics:hosts", "List the machines whose workers are here."),
    Entry("workers", "workers:workers", "List workers."),
    Entry("drain", "workers:drain", "Let workers take nothing more, finish or hand back what they have, and end."),
    Entry(
        "backup",
        "backups:backup",
        "Back the suite up, databases and files, while it runs. Files that the folder has already are not copied "
        "again.",
    ),
    Entry(
        "restore",
        "backups:restore",
        "Restore a backup of the whole suite, which must not run. Databases may be of another kind than those before.",
    ),
    Entry("run-task", "task_types:run_task", "Run one task by itself: no suite, no job."),
    Entry(
        "rules",
        "workers:rules",
        "Set the rules for the attempts of a task type, in place of those before; without options, show them.",
    ),
    Entry("demo", "demonstration:demo", "Start a suite, search for planets, show what was found, and stop the suite."),
    Entry("queues", "queues:app", "List, show, empty and fill the queues in which tasks wait for workers."),
    Entry("logs", "logs:app", "Show log records, oldest first. With --follow the latest, and then what arrives."),
    Entry("products", "products:app", "List and fetch the files that tasks made; say what stays and what goes."),
    Entry("containers", "containers:app", "List the kinds of worker, load a registry of them, and assign resources."),
    Entry("db", "databases:app", "Make, upgrade, dump, restore and check the services' databases."),
    Entry("task-types", "task_types:app", "List what a job may name under `task`, and check task types of your own."),
)


def make_app(arguments: Sequence[str]) -> typer.Typer:
    """Make the `eas` command. Of its subcommands, the one that the arguments name is imported.

    Parameters
    ----------
    arguments
        Without the program's name. When a shell asks for completions, what has been typed so far counts instead.
    """
    typed = os.environ.get("COMP_WORDS", "").split()[1:] if "_EAS_COMPLETE" in os.environ else arguments
    wanted = next((word for word in typed if not word.startswith("-")), None)
    app = typer.Typer(
        name="eas",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        help="Run science pipelines, and see what they found.",
    )
    for entry in ENTRIES:
        found = entry.load() if entry.name == wanted else _do_nothing
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=entry.name)
        else:
            app.command(entry.name, help=None if entry.name == wanted else entry.help)(found)
    return app


def _do_nothing() -> None:
    """Stand for a command that is listed and not run."""
