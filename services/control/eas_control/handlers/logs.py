"""Log records."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from datetime import datetime
from typing import Annotated

import typer

from eas.client.log_service import LogClient
from eas.client.suite.paging import list_records
from eas.contracts.errors import UnavailableError
from eas.contracts.logs import LEVEL_NUMBERS, ExportForm, LogQuery, SkippedRecords, StoredRecord
from eas.contracts.states import LogLevel
from eas_control.domain.errors import UsageError
from eas_control.handlers import log_retention
from eas_control.handlers.options import DataOption, JsonOption, ask
from eas_control.views.documents import print_json
from eas_control.views.tables import write_records
from eas_control.views.text import open_console

app = typer.Typer()
app.command("retention")(log_retention.retention)

DEFAULT_LIMIT = 1000

_TIME = "such as 2026-03-01T12:00 (local time) or 2026-03-01T12:00Z"


def read_time(text: str | None) -> datetime | None:
    """Read a time; one without a time zone is this machine's.

    Raises
    ------
    UsageError
        It is none.
    """
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{text!r} is no time; expected one {_TIME}") from error


@app.callback(invoke_without_command=True)
def logs(
    context: typer.Context,
    job: Annotated[int | None, typer.Option(min=0, help="Records of all tasks of this job.")] = None,
    task: Annotated[int | None, typer.Option(min=0, help="Records of all attempts of this task.")] = None,
    attempt: Annotated[int | None, typer.Option(min=0, help="Records of this attempt.")] = None,
    level: Annotated[LogLevel, typer.Option(help="This level and above.")] = LogLevel.DEBUG,
    text: Annotated[
        str | None, typer.Option(help="Words in the message or the traceback; '\"stand together\"', 'begin*'.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Records made on this host.")] = None,
    since: Annotated[str | None, typer.Option(help=f"From this time on, {_TIME}.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this time.")] = None,
    field: Annotated[list[str] | None, typer.Option(help="Compare a typed field, such as 'period>=3.5'.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="The latest so many; not for --csv and --ndjson.")] = DEFAULT_LIMIT,
    data: DataOption = None,
    as_json: JsonOption = False,
    follow: Annotated[bool, typer.Option(help="Go on with what arrives, until Ctrl-C; not before --until.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print all as comma-separated values, however many.")] = False,
    as_ndjson: Annotated[bool, typer.Option("--ndjson", help="Print all as JSON lines, however many.")] = False,
) -> None:
    """Show log records, oldest first. With --follow the latest, and then what arrives."""
    if context.invoked_subcommand is not None:
        return
    if as_json + as_csv + as_ndjson > 1:
        raise UsageError("--json, --csv and --ndjson exclude each other")
    query = LogQuery(
        job_id=job,
        task_id=task,
        attempt_id=attempt,
        min_level=LEVEL_NUMBERS[level],
        text=text,
        host=host,
        since=read_time(since),
        until=read_time(until),
        field=field or [],
    )
    if follow:
        if as_json or as_csv or until is not None:
            raise UsageError("--follow goes with --ndjson or alone: it has no end")
        with suppress(KeyboardInterrupt):
            ask(data, lambda suite: _follow(suite.log_service, query, limit, as_ndjson=as_ndjson))
        return
    if as_csv or as_ndjson:
        form = ExportForm.CSV if as_csv else ExportForm.NDJSON
        ask(data, lambda suite: _print_all(suite.log_service.export(query, form)))
        return
    found = ask(data, lambda suite: list_records(suite.log_service, query, limit))
    if as_json:
        print_json(found)
    else:
        _print_records(found, as_ndjson=False)


def _print_records(records: Sequence[StoredRecord], *, as_ndjson: bool) -> None:
    if as_ndjson:
        for record in records:
            sys.stdout.write(record.model_dump_json() + "\n")
    else:
        console = open_console()
        for line in write_records(records):
            console.print(line, soft_wrap=True)
    sys.stdout.flush()


async def _follow(client: LogClient, query: LogQuery, limit: int, *, as_ndjson: bool) -> None:
    """Print the latest records and then, for ever, what arrives; a service that is started again is waited for."""
    found = await list_records(client, query, limit)
    _print_records(found, as_ndjson=as_ndjson)
    after = max((record.record_id for record in found), default=None if limit == 0 else 0)
    while True:
        try:
            async with aclosing(client.follow(query, after=after)) as stream:
                async for event in stream:
                    if isinstance(event, SkippedRecords):
                        after = event.until
                        open_console(stderr=True).print(f"{event.skipped} records skipped: too many at once")
                    else:
                        after = event.record_id
                        _print_records([event], as_ndjson=as_ndjson)
        except UnavailableError:
            await asyncio.sleep(1)


async def _print_all(pieces: AsyncIterator[bytes]) -> None:
    async for piece in pieces:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
