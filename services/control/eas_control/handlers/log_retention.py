"""``eas logs retention``: which log records may go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ValidationError

from eas.client.suite import Suite
from eas.contracts.log_retention import RetentionPolicy, RetentionReport
from eas_control.domain.errors import UsageError
from eas_control.handlers.options import DataOption, JsonOption, ask
from eas_control.views.documents import print_json
from eas_control.views.removals import tabulate_log_retention
from eas_control.views.text import open_console


class RetentionAnswer(BaseModel):
    """What the command prints as JSON: a policy, and what it removes."""

    policy: RetentionPolicy
    report: RetentionReport


def retention(
    policy: Annotated[
        Path | None, typer.Argument(help="A JSON file with a policy; else the one that is set.", exists=True)
    ] = None,
    is_set: Annotated[
        bool, typer.Option("--set", help="Set this policy: the log service goes by it from now on.")
    ] = False,
    run: Annotated[bool, typer.Option("--run", help="Remove the records now; else only tell.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell which log records a retention policy would remove; set a policy; remove them now."""
    given = None if policy is None else _read_policy(policy)
    if given is None and is_set:
        raise UsageError("--set needs a file with the policy to set")
    if given is not None and run and not is_set:
        raise UsageError("only the policy that is set can be run; give --set as well")

    async def apply(suite: Suite) -> RetentionAnswer:
        service = suite.log_service
        if given is not None and is_set:
            await service.set_retention(given)
        chosen = await service.get_retention() if given is None else given
        return RetentionAnswer(
            policy=chosen, report=await (service.run_retention() if run else service.preview_retention(chosen))
        )

    answer = ask(data, apply)
    if as_json:
        print_json(answer)
    else:
        console = open_console()
        console.print(tabulate_log_retention(answer.policy, answer.report))
        console.print(f"{answer.report.used_bytes} bytes in use")


def _read_policy(path: Path) -> RetentionPolicy:
    try:
        return RetentionPolicy.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise UsageError(f"{path}: {error}") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
