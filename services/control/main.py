"""EAS Control: the `eas` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer
from typer.exceptions import TyperException

from services.control.domain.backups import BackupError
from services.control.domain.errors import UsageError
from services.control.handlers import (
    backups,
    containers,
    databases,
    demonstration,
    diagnostics,
    job_control,
    jobs,
    logs,
    products,
    queues,
    serving,
    task_types,
    workers,
)
from services.control.views.documents import print_json_error
from services.control.views.text import plain
from shared.contracts.errors import EasError, InvalidInputError, ProductExistsError, TooLargeError
from shared.database.errors import DatabaseRefusedError
from shared.signals import hear_signals

#: Errors that the user has to mend in what was given; all others have status 1.
REFUSALS = (BackupError, DatabaseRefusedError, InvalidInputError, ProductExistsError, TooLargeError, UsageError)


def make_app() -> typer.Typer:
    """Make the command with all its subcommands."""
    app = typer.Typer(
        name="eas",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        help="Run science pipelines, and see what they found.",
    )
    app.command()(serving.up)
    app.command()(jobs.submit)
    app.command()(job_control.plan)
    app.command("jobs")(jobs.jobs)
    app.command()(jobs.tree)
    app.command()(jobs.task)
    app.command()(jobs.results)
    app.command()(job_control.cancel)
    app.command()(job_control.pause)
    app.command()(job_control.resume)
    app.command()(job_control.retry)
    app.command()(job_control.excuse)
    app.command()(diagnostics.why)
    app.command()(diagnostics.watch)
    app.command()(diagnostics.progress)
    app.command()(diagnostics.outcomes)
    app.command()(diagnostics.timings)
    app.command()(diagnostics.errors)
    app.add_typer(queues.app, name="queues")
    app.command()(diagnostics.timeline)
    app.command()(diagnostics.hosts)
    app.add_typer(logs.app, name="logs")
    app.add_typer(products.app, name="products")
    app.command()(workers.workers)
    app.command()(workers.drain)
    app.add_typer(containers.app, name="containers")
    app.add_typer(databases.app, name="db")
    app.command()(backups.backup)
    app.command()(backups.restore)
    app.add_typer(task_types.app, name="task-types")
    app.command("run-task")(task_types.run_task)
    app.command()(workers.rules)
    app.command()(demonstration.demo)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run one command.

    Parameters
    ----------
    arguments
        Without the program's name.

    Returns
    -------
    int
        Exit status: 0 done, 1 failed, 2 what was given is wrong, 130 interrupted.
    """
    as_json = "--json" in arguments
    try:
        status = make_app()(list(arguments), prog_name="eas", standalone_mode=not as_json)
    except EasError as error:
        status = 2 if isinstance(error, REFUSALS) else 1
        _show(error, status, as_json=as_json)
    except TyperException as error:
        status = 2
        _show(UsageError(error.format_message()), status, as_json=as_json)
    return status if isinstance(status, int) else 0


def _show(error: EasError, status: int, *, as_json: bool) -> None:
    if as_json:
        print_json_error(error, status)
        return
    for line in f"eas: {error}".splitlines():
        print(plain(line), file=sys.stderr)


def main() -> None:
    """Run the command that the command line asks for."""
    hear_signals()
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
