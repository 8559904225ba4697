"""The folder that a demonstration writes into, emptied of an earlier one.

::

    <folder>/
        data/        the suite's data folder
        reports/     the pages on what was found
        job.json     the job that was submitted
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from eas.client.suite.errors import FileError
from eas_control.domain.errors import DemonstrationError

_NAMES = frozenset({"data", "reports", "job.json"})


class DemonstrationFolder:
    """Files of one demonstration.

    Parameters
    ----------
    path
        Made if it is missing.

    Raises
    ------
    DemonstrationError
        It has other things in it.
    FileError
        It cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path / "data"
        self.reports = path / "reports"
        self.job = path / "job.json"
        try:
            path.mkdir(parents=True, exist_ok=True)
            if strange := sorted({found.name for found in path.iterdir()} - _NAMES):
                raise DemonstrationError(f"{path} has other things in it, such as {strange[0]!r}; give an empty folder")
            for folder in (self.data, self.reports):
                if folder.exists():
                    shutil.rmtree(folder)
            self.job.unlink(missing_ok=True)
        except OSError as error:
            raise FileError(path, error) from error

    def keep_job(self, document: dict[str, Any]) -> bytes:
        """Write the job document down. Returns its text."""
        text = json.dumps(document, indent=2, ensure_ascii=False).encode()
        try:
            self.job.write_bytes(text)
        except OSError as error:
            raise FileError(self.job, error) from error
        return text


def read_example(folder: Path, name: str) -> dict[str, Any]:
    """Read a job document of the examples.

    Raises
    ------
    DemonstrationError
        It is not there, or not JSON.
    """
    path = folder / name
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DemonstrationError(f"example {path}: {error}; name the folder of the examples with --examples") from error
    if not isinstance(document, dict):
        raise DemonstrationError(f"example {path}: expected an object")
    return document
