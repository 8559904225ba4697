"""The disk that a worker's folders are on."""

from __future__ import annotations

from pathlib import Path

from eas.contracts.texts import clean_text
from eas.disk import free_bytes
from eas.journal.reserve import JournalReserve
from eas_worker.domain.want_of_room import DiskLook
from eas_worker.storage.watch import measure_folder


class LocalDisk:
    """The disk of the working directories. All calls block.

    Parameters
    ----------
    attempts
        The folder with the working directories.
    promised
        What has to be free before an attempt is taken [bytes].
    reserve
        What is set aside for log records; None in a child process.
    """

    def __init__(self, attempts: Path, promised: int, reserve: JournalReserve | None = None) -> None:
        self._attempts = attempts
        self._promised = promised
        self._reserve = reserve

    def look(self, *folders: Path) -> DiskLook:
        """Measure the disk, with the files below the folders of an attempt, which need not exist."""
        own = sum(measure_folder(folder) for folder in folders)
        return DiskLook(clean_text(str(self._attempts)), free_bytes(self._attempts), own, self._promised)

    def set_aside(self) -> None:
        """Set aside what is missing of the room for log records, where there is enough for tasks besides."""
        if self._reserve is not None and free_bytes(self._attempts) >= self._promised:
            self._reserve.fill()
