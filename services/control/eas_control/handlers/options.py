"""What the commands have in common: how they find the suite, and how they answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from eas.client.suite import Suite
from eas.client.suite.endpoint import find_suite
from eas_control.domain.errors import UsageError

Answer = TypeVar("Answer")

DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Data folder of the suite. Else EAS_URL and EAS_TOKEN count, then ./eas-data."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print comma-separated values and nothing else.")]
RerunOption = Annotated[
    bool, typer.Option("--rerun", help="Make new versions of products that exist already, which is refused otherwise.")
]
ReuseOption = Annotated[
    bool, typer.Option("--reuse", help="Let tasks adopt what equal tasks made before, instead of running.")
]
JobArgument = Annotated[int, typer.Argument(metavar="JOB", help="The job's number.")]


def refuse_both(*, as_json: bool, as_csv: bool) -> None:
    """Raise `UsageError` where an answer was wanted in two forms at once."""
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other")


def ask(data: Path | None, question: Callable[[Suite], Awaitable[Answer]]) -> Answer:
    """Ask the suite something.

    Parameters
    ----------
    data
        Its data folder, if the user named one.
    question
        Gets the suite and returns the answer.

    Raises
    ------
    SuiteNotFoundError
        There is no suite.
    EasError
        What the services, or the question, raise.
    """
    address = find_suite(data)

    async def run() -> Answer:
        async with Suite(address) as suite:
            return await question(suite)

    return asyncio.run(run())
