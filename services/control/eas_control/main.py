"""EAS Control: the `eas` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from typer.exceptions import TyperException

from eas.contracts.errors import EasError, InvalidInputError, ProductExistsError, TooLargeError
from eas.database.errors import DatabaseRefusedError
from eas.signals import hear_signals
from eas_control.commands import make_app
from eas_control.domain.errors import BackupError, UsageError
from eas_control.views.documents import print_json_error
from eas_control.views.text import plain

#: Errors that the user has to mend in what was given; all others have status 1.
REFUSALS = (BackupError, DatabaseRefusedError, InvalidInputError, ProductExistsError, TooLargeError, UsageError)


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
        status = make_app(arguments)(list(arguments), prog_name="eas", standalone_mode=not as_json)
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
