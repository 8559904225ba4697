"""How a suite says where it is, for `eas.client.suite.endpoint`: a file in its data folder, there while it runs."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from eas.client.suite.endpoint import ENDPOINT_NAME


def write_endpoint(folder: Path, url: str, tokens_file: Path) -> None:
    """Say where the suite is, for `read_endpoint`; all at once, and for its owner only.

    Parameters
    ----------
    folder
        The data folder.
    url
        Of the suite.
    tokens_file
        Absolute, or relative to the folder.
    """
    path = folder / ENDPOINT_NAME
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"url": url, "pid": os.getpid(), "tokens_file": str(tokens_file)}, file, indent=2)
    temporary.replace(path)


def remove_endpoint(folder: Path) -> None:
    """Say that no suite is running any more."""
    with suppress(FileNotFoundError):
        (folder / ENDPOINT_NAME).unlink()
