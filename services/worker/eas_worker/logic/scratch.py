"""Where an attempt runs: a private folder of its own; or, if it has no files, the child's scratch folder.

Making and removing a folder costs more than everything else that a short task needs, so attempts without inputs and
outputs use the same one in turn. It is private to the child, and empty whenever an attempt starts.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ScratchFolder:
    """The folder of one child process, made when it is first needed. Its name has the process id.

    Parameters
    ----------
    parent
        Where to make it.
    """

    def __init__(self, parent: Path) -> None:
        self.path = parent / f"scratch-{os.getpid()}"
        self._exists = False

    @contextmanager
    def opened(self) -> Iterator[Path]:
        """Be in the folder, which is empty; whatever is in it afterwards is removed."""
        if not self._exists:
            remove_folder(self.path)
            self.path.mkdir(mode=0o700)
            self._exists = True
        try:
            with being_in(self.path):
                yield self.path
        finally:
            if not self._is_empty():
                remove_folder(self.path)
                self._exists = False

    def _is_empty(self) -> bool:
        try:
            with os.scandir(self.path) as entries:
                return next(entries, None) is None
        except OSError:  # the task removed it, or its own right to read it
            return False


@contextmanager
def own_folder(folder: Path) -> Iterator[Path]:
    """Be in a folder that is made if it is missing, and stays."""
    folder.mkdir(mode=0o700, exist_ok=True)
    with being_in(folder):
        yield folder


@contextmanager
def being_in(folder: Path) -> Iterator[None]:
    """Make a folder the current one and that of temporary files."""
    os.chdir(folder)
    tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = None
        os.chdir("/")


def remove_folder(folder: Path) -> None:
    """Remove a folder with all that is in it. What the task made undeletable is left to the supervisor."""
    shutil.rmtree(folder, ignore_errors=True)
