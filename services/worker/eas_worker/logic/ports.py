"""What the worker's logic needs from outside, as Protocols. The factory says who fulfils them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from eas.authoring.quality import QualityCheck
from eas.authoring.task_type import TaskType
from eas.client.small_files import SmallFile
from eas.contracts.errors import EasError
from eas.contracts.metadata import Metadata
from eas.contracts.products import VersionView
from eas.contracts.scheduler import (
    ClaimRequest,
    ClaimResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    ReportRequest,
    ReportResponse,
    TaskTypeDescription,
    WorkerAnnouncement,
    WorkerWelcome,
)
from eas_worker.domain.assignment import Answer, Assignment, CheckingNotice, Departure
from eas_worker.domain.share import Share
from eas_worker.domain.want_of_room import DiskLook

# --- in a child process -----------------------------------------------------------------------------------------


class TaskTypeCatalog(Protocol):
    """Where a child finds the code of a task type."""

    def find(self, name: str) -> TaskType | None:
        """Find a task type that can be run here; None where there is none of that name."""

    def checks_of(self, name: str) -> Sequence[QualityCheck]:
        """Find the checks that users have added for a task type. Raises `TaskError` where one cannot be used."""


class AttemptJournal(Protocol):
    """Where the log records of the running attempt go."""

    def set_attempt(self, attempt_id: int, *, task_id: int = 0, job_id: int = 0) -> None:
        """From now on records belong to this attempt."""

    def clear_attempt(self) -> None:
        """From now on records belong to no attempt."""


class Guard(Protocol):
    """What surrounds an attempt: limits set and lifted, measures taken, traces removed."""

    def begin(self, assignment: Assignment) -> None:
        """Set the limits of an attempt, and begin to measure it."""

    def end(self, answer: Answer) -> Answer:
        """Lift the limits, remove what the attempt left behind, and add to its answer what it used."""


class DiskProbe(Protocol):
    """The disk that an attempt works on."""

    def look(self, *folders: Path) -> DiskLook:
        """Measure it, with the files in the folders of an attempt, which need not exist."""


# --- in the supervisor ------------------------------------------------------------------------------------------


class WorkSource(Protocol):
    """Where attempts come from and where word of them goes. Errors are those of `eas.contracts.errors`."""

    async def announce(self, announcement: WorkerAnnouncement) -> WorkerWelcome:
        """Say that this worker is there."""

    async def dismiss(self, worker_id: str, *, in_good_order: bool) -> None:
        """Say that this worker is gone, and whether what it still holds was handed back."""

    async def claim(self, request: ClaimRequest) -> ClaimResponse:
        """Ask for work, and wait for it."""

    async def report(self, request: ReportRequest) -> ReportResponse:
        """Say how attempts ended."""

    async def beat(self, request: HeartbeatRequest) -> HeartbeatResponse:
        """Renew leases."""


class DoorbellSource(Protocol):
    """Where this worker hears that there is work, besides asking for it."""

    async def listen(self, task_types: Sequence[str], hear: Callable[[int], Awaitable[bool]]) -> None:
        """Listen for ever. `hear` gets attempt ids, and says whether the doorbell is done with."""

    async def set_room(self, room: int) -> None:
        """Be given at most so many doorbells that are not answered yet."""


class ProductStore(Protocol):
    """Where inputs come from and outputs go. Errors are those of `eas.contracts.errors`."""

    async def download(self, version_id: int, target: Path, *, sha256: str) -> None:
        """Fetch a version's bytes into a file and verify them."""

    async def upload(
        self,
        path: Path,
        *,
        directory: str,
        filename: str,
        semantic_type: str,
        attempt_id: int,
        task_id: int,
        job_id: int,
        mime_type: str,
        metadata: Metadata,
        rerun: bool,
    ) -> VersionView:
        """Store a file as the attempt's version of a product. The same file again gives the same version."""

    async def upload_many(self, files: Sequence[SmallFile]) -> list[VersionView | EasError]:
        """Store small files together: for each the version, or what `upload` would have raised."""


class InputCache(Protocol):
    """Files that this host has already, by SHA-256. Its calls block. Errors in keeping a file are its own affair."""

    def takes(self, size: int) -> bool:
        """Tell whether a file of so many bytes would be kept."""

    def make_place(self) -> Path:
        """Name a new file, to be filled and then given to `admit` or `discard`."""

    def discard(self, place: Path) -> None:
        """Give up a file from `make_place`."""

    def admit(self, place: Path, sha256: str) -> None:
        """Keep a file from `make_place` whose bytes have been verified."""

    def keep(self, path: Path, sha256: str) -> None:
        """Take over a file that a task has made."""

    def copy_to(self, sha256: str, target: Path) -> bool:
        """Put a verified copy of a file in place. False: it is not here."""

    def give_way(self) -> bool:
        """The disk is full: let go of some. False: there is nothing."""


class Disk(DiskProbe, Protocol):
    """The same, as the supervisor sees it. Its calls block, and raise `OSError` where it cannot be looked at."""

    def set_aside(self) -> None:
        """Set aside room for log records, where there is enough."""


class Workspace(Protocol):
    """The private folders of this worker's attempts."""

    def folder(self, attempt_id: int) -> Path:
        """Name the working directory of an attempt. It need not exist."""

    def scratch(self, child_pid: int) -> Path:
        """Name the folder where a child runs attempts that have no files. It need not exist."""

    def create_inputs(self, attempt_id: int, slots: Sequence[str]) -> list[Path]:
        """Make the working directory with a folder for each input slot."""

    async def remove(self, attempt_id: int) -> None:
        """Remove the working directory, if there is one."""

    async def remove_scratch(self, child_pid: int) -> None:
        """Remove what a dead child leaves behind of an attempt that had no working directory of its own."""


class Child(Protocol):
    """A warm process that runs one attempt after the other."""

    @property
    def pid(self) -> int:
        """Its process id."""

    def send(self, assignment: Assignment) -> bool:
        """Put an attempt at the end of its queue. False: the queue is full."""

    def receive(self) -> list[Answer | CheckingNotice]:
        """Take what it has said since."""

    def recall(self) -> list[int]:
        """Take back all attempts that it has not begun, oldest first."""

    def kill(self) -> None:
        """End it and all its descendants, now."""

    def close(self) -> None:
        """Let it end when its queue is empty."""


class ChildStarter(Protocol):
    """Where children come from."""

    async def start(
        self, share: Share, *, on_word: Callable[[Child], None], on_death: Callable[[Child, Departure], None]
    ) -> list[TaskTypeDescription]:
        """Get ready, and say what task types the children can run.

        Parameters
        ----------
        share
            What each child may use.
        on_word
            Called where a child has something to `receive`.
        on_death
            Called once for each child that has ended.
        """

    async def start_child(self, slot: int) -> Child:
        """Make a child for a slot, counted from 0, with that slot's processors."""

    async def stop(self) -> None:
        """End all children."""
