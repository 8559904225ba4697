"""``eas queues``: what waits for workers, and what operators do about it."""

from __future__ import annotations

from typing import Annotated

import typer

from eas_control.domain.errors import UsageError
from eas_control.handlers.diagnostics import show_table
from eas_control.handlers.options import CsvOption, DataOption, JsonOption, ask
from eas_control.views.documents import print_json
from eas_control.views.text import open_console, plain

app = typer.Typer(help="List, show, empty and fill the queues in which tasks wait for workers.")

LettersArgument = Annotated[list[str] | None, typer.Argument(metavar="[LETTER]...", help="Ids of dead letters.")]
AllOption = Annotated[bool, typer.Option("--all", help="All dead letters that there are.")]
TypeArgument = Annotated[str, typer.Argument(metavar="TYPE", help="The task type.")]


@app.callback(invoke_without_command=True)
def queues(
    context: typer.Context, data: DataOption = None, as_json: JsonOption = False, as_csv: CsvOption = False
) -> None:
    """List, show, empty and fill the queues in which tasks wait for workers. By itself: list them."""
    if context.invoked_subcommand is None:
        list_queues(data, as_json, as_csv)
    elif data is not None or as_json or as_csv:
        raise UsageError(f"options of `eas queues {context.invoked_subcommand}` stand behind it")


@app.command("list")
def list_queues(data: DataOption = None, as_json: JsonOption = False, as_csv: CsvOption = False) -> None:
    """List what waits for workers, by task type."""
    show_table(data, lambda suite: suite.scheduler.list_queues(), as_json=as_json, as_csv=as_csv)


@app.command()
def show(
    task_type: TypeArgument, data: DataOption = None, as_json: JsonOption = False, as_csv: CsvOption = False
) -> None:
    """Show the first hundred attempts of a queue, in the order in which workers will get them."""
    show_table(data, lambda suite: suite.scheduler.get_queue(task_type), as_json=as_json, as_csv=as_csv)


@app.command()
def dead(
    letter_id: Annotated[str | None, typer.Argument(metavar="[LETTER]", help="Show all that this one says.")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List messages that could not be delivered, or that no service could take in, each with the reason."""
    if letter_id is None:
        found = show_table(
            data, lambda suite: suite.scheduler.list_dead_letters(limit=1000), as_json=as_json, as_csv=as_csv
        )
        if found.missing is not None and not as_json:
            typer.echo(f"not all are listed: {plain(found.missing)}", err=True)
    elif as_csv:
        raise UsageError("one dead letter is not shown as CSV")
    else:
        print_json(ask(data, lambda suite: suite.scheduler.get_dead_letter(letter_id)))


@app.command("send-again")
def send_again(letters: LettersArgument = None, everything: AllOption = False, data: DataOption = None) -> None:
    """Send dead letters on their way again, when what was wrong with them has been put right."""
    chosen = _choose_letters(letters, everything)
    changed = ask(data, lambda suite: suite.scheduler.send_dead_letters_again(chosen))
    open_console().print(f"{changed} dead letters sent again", soft_wrap=True)


@app.command()
def discard(letters: LettersArgument = None, everything: AllOption = False, data: DataOption = None) -> None:
    """Remove dead letters for good."""
    chosen = _choose_letters(letters, everything)
    changed = ask(data, lambda suite: suite.scheduler.discard_dead_letters(chosen))
    open_console().print(f"{changed} dead letters discarded", soft_wrap=True)


def _choose_letters(letters: list[str] | None, everything: bool) -> list[str] | None:
    """Find the dead letters that are meant; None stands for all."""
    if bool(letters) == everything:
        raise UsageError("expected the ids of dead letters, as `eas queues dead` lists them, or --all")
    return None if everything else letters


@app.command()
def purge(task_type: TypeArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Cancel all that is queued of a type; what depends on it is blocked, until it is rescheduled."""
    found = ask(data, lambda suite: suite.scheduler.purge_queue(task_type))
    if as_json:
        print_json(found)
    else:
        words = f"{found.purged} taken out of the queue of {plain(task_type)}, {found.blocked} blocked by that"
        open_console().print(words, soft_wrap=True)


@app.command()
def reschedule(
    job: Annotated[int | None, typer.Argument(metavar="[JOB]", help="The job's number; else all jobs.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Also what failed.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Queue again what was purged. What is queued or running is left alone: twice is as good as once."""
    found = ask(data, lambda suite: suite.scheduler.reschedule(job, failed=failed))
    if as_json:
        print_json(found)
    else:
        open_console().print(f"{found.rescheduled} put back into the queues", soft_wrap=True)
