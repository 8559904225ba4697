"""Which file a dump goes to, or comes from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eas_control.domain.errors import UsageError

_PLACE = "{service}"
_NAME = "eas_{service}.ndjson.gz"


def place_dumps(file: str, services: Sequence[str], *, is_folder: bool) -> dict[str, Path]:
    """Say where the dump of each service is.

    Parameters
    ----------
    file
        A path with ``{service}`` in it, a folder, or for one service alone a path as it is.
    services
        Their names.
    is_folder
        Whether `file` is a folder that is there.

    Raises
    ------
    UsageError
        Several services would have the same file.
    """
    if is_folder or file.endswith("/"):
        file = f"{file.rstrip('/')}/{_NAME}"
    if _PLACE not in file and len(services) > 1:
        raise UsageError(f"{file}: expected a folder, a path with {_PLACE} in it, or one service with --service")
    return {service: Path(file.replace(_PLACE, service)) for service in services}
