"""Bringing inputs into the working directory and outputs into the product store, however long the store is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeVar

from pydantic import ValidationError

from eas.client.small_files import SmallFile
from eas.contracts.deposits import SMALL_FILE
from eas.contracts.errors import (
    ConflictError,
    DamagedError,
    DigestMismatchError,
    EasError,
    ForbiddenError,
    GoneError,
    InvalidInputError,
    NotFoundError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
)
from eas.contracts.products import UploadParameters, VersionView
from eas.contracts.scheduler import ClaimedAttempt, OutputVersion
from eas.contracts.states import FailureReason
from eas_worker.domain.assignment import Answer, AnsweredOutput, AssignedInput, Assignment
from eas_worker.domain.limits import AttemptLimits
from eas_worker.logic.backoff import Backoff
from eas_worker.logic.fetching import FetchCounts, Fetcher
from eas_worker.logic.ports import InputCache, ProductStore, Workspace

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

#: What will pass, sooner or later, and is no fault of the attempt: the store is away, or our token is being changed.
PASSING = (UnavailableError, UnauthenticatedError, ForbiddenError)

#: Tries where bytes arrive damaged.
MAX_TRIES = 3


class TransferError(Exception):
    """A file cannot be had or stored, and trying again will not help."""

    def __init__(self, reason: FailureReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Transfer:
    """Moves files between the working directory and the product store.

    Parameters
    ----------
    store
        The product store.
    workspace
        The working directories.
    cache
        What the host has already; None: nothing is kept.
    most
        How many files may be under way at once, each way: downloads never wait for uploads.
    """

    def __init__(
        self, store: ProductStore, workspace: Workspace, cache: InputCache | None = None, *, most: int = 8
    ) -> None:
        self._store = store
        self._workspace = workspace
        self._fetcher = Fetcher(store, cache)
        self._up = asyncio.Semaphore(most)
        self._down = asyncio.Semaphore(most)

    @property
    def fetch_counts(self) -> FetchCounts:
        """Where the inputs came from."""
        return self._fetcher.counts

    def assign(self, claimed: ClaimedAttempt, inputs: dict[str, AssignedInput] | None = None) -> Assignment:
        """Make what a child gets of an attempt of which the inputs are in place."""
        return Assignment(
            attempt_id=claimed.attempt_id,
            task_id=claimed.task_id,
            job_id=claimed.job_id,
            task_type=claimed.task_type,
            directory=str(self._workspace.folder(claimed.attempt_id)),
            settings=claimed.settings,
            metadata=claimed.metadata,
            inputs=inputs or {},
            outputs=claimed.outputs,
            seed=claimed.seed,
            limits=_limits_of(claimed),
        )

    async def fetch(self, claimed: ClaimedAttempt) -> Assignment:
        """Bring all inputs of an attempt into its working directory, each verified against its digest.

        Raises
        ------
        TransferError
            One cannot be had. Its cause is an `OSError` where that is the disk's doing.
        """
        slots = list(claimed.inputs)
        try:
            folders = await asyncio.to_thread(self._workspace.create_inputs, claimed.attempt_id, slots)
            files = await asyncio.gather(
                *(
                    self._fetch_one(slot, claimed.inputs[slot], folder)
                    for slot, folder in zip(slots, folders, strict=True)
                )
            )
        except OSError as error:
            raise TransferError(FailureReason.INFRASTRUCTURE, f"inputs cannot be written: {error}") from error
        return self.assign(claimed, dict(zip(slots, files, strict=True)))

    async def deliver(self, claimed: ClaimedAttempt, answer: Answer) -> list[OutputVersion]:
        """Store all files that an attempt made. Those of a rejected attempt are kept for inspection.

        Raises
        ------
        TransferError
            One cannot be stored.
        """
        accepted = answer.state == "accepted"
        stored = await self._deliver_together(claimed, answer.outputs)
        return list(
            await asyncio.gather(
                *(
                    self._deliver_one(claimed, file, accepted, view)
                    for file, view in zip(answer.outputs, stored, strict=True)
                )
            )
        )

    async def keep(self, answer: Answer, stored: Sequence[OutputVersion]) -> None:
        """Keep what an accepted attempt made, and the store has, for the tasks that read it next."""
        if answer.state == "accepted":
            await self._fetcher.keep(
                {version.sha256: Path(file.path) for file, version in zip(answer.outputs, stored, strict=True)}
            )

    async def _deliver_together(
        self, claimed: ClaimedAttempt, outputs: Sequence[AnsweredOutput]
    ) -> list[VersionView | None]:
        """Store small files in one request; None for those that have to go by themselves, for whatever reason."""
        found: list[VersionView | None] = [None] * len(outputs)
        try:
            sizes = await asyncio.to_thread(lambda: [Path(file.path).stat().st_size for file in outputs])
            small = [index for index, size in enumerate(sizes) if size <= SMALL_FILE]
            if len(small) > 1:
                files = [_describe(claimed, outputs[index]) for index in small]
                async with self._up:
                    answers = await self._store.upload_many(files)
                for index, view in zip(small, answers, strict=True):
                    found[index] = view if isinstance(view, VersionView) else None
        except (EasError, OSError, ValidationError) as error:
            logger.info("outputs of attempt %d go one by one: %s", claimed.attempt_id, error)
        return found

    async def _fetch_one(self, slot: str, version: OutputVersion, folder: Path) -> AssignedInput:
        name = PurePosixPath(version.filename).name
        if name in ("", "..") or "\0" in name:
            raise TransferError(FailureReason.INPUT, f"input {slot!r}: {version.filename!r} is no file name")
        target = folder / name

        async def download() -> None:
            await self._fetcher.fetch(version, target)

        what = f"input {slot!r} (version {version.version_id}, {version.filename!r})"
        try:
            await self._persist(what, self._down, download)
        except TransferError as error:
            if isinstance(error.__cause__, NotFoundError | GoneError | DamagedError):
                words = (
                    f"{what} is missing in the product store ({error.__cause__}); to make it again: "
                    f"`eas products reject {version.version_id} --reason missing`, then `eas retry JOB`"
                )
                raise TransferError(FailureReason.MISSING, words) from error.__cause__
            raise
        return AssignedInput(str(target), version.metadata)

    async def _deliver_one(
        self, claimed: ClaimedAttempt, file: AnsweredOutput, accepted: bool, view: VersionView | None
    ) -> OutputVersion:
        async def upload() -> OutputVersion:
            stored = view or await self._store.upload(
                Path(file.path),
                directory=claimed.working_directory,
                filename=file.filename,
                semantic_type=file.slot,
                attempt_id=claimed.attempt_id,
                task_id=claimed.task_id,
                job_id=claimed.job_id,
                mime_type=file.mime_type,
                metadata=file.metadata,
                rerun=_makes_anew(claimed, file),
            )
            return OutputVersion(
                slot=file.slot,
                version_id=stored.version_id,
                directory=stored.directory,
                filename=stored.filename,
                md5=stored.md5,
                sha256=stored.sha256,
                size=stored.size,
                mime_type=stored.mime_type,
                metadata=file.metadata,
                passed_qc=accepted and file.passed_qc,
                qc_reason=file.qc_reason,
            )

        return await self._persist(f"output {file.slot!r} ({file.filename})", self._up, upload)

    @staticmethod
    async def _persist(what: str, places: asyncio.Semaphore, action: Callable[[], Awaitable[Result]]) -> Result:
        """Try until it works or cannot work."""
        backoff = Backoff()
        tries = 0
        while True:
            try:
                async with places:
                    return await action()
            except PASSING as error:
                logger.warning("%s: %s; trying again", what, error.message)
            except (DigestMismatchError, DamagedError) as error:
                tries += 1
                if tries >= MAX_TRIES:
                    raise TransferError(FailureReason.INFRASTRUCTURE, f"{what}: {error}") from error
            except (InvalidInputError, TooLargeError, ConflictError) as error:
                raise TransferError(FailureReason.SCIENCE, f"{what}: {error}") from error
            except EasError as error:
                raise TransferError(FailureReason.INFRASTRUCTURE, f"{what}: {error}") from error
            except (OSError, ValueError) as error:  # such as an answer of the store that is none
                raise TransferError(FailureReason.INFRASTRUCTURE, f"{what}: {error}") from error
            await backoff.pause()


def _makes_anew(claimed: ClaimedAttempt, file: AnsweredOutput) -> bool:
    """Tell whether a file may be a new version of another task's: in a re-run, and where no job could declare it."""
    return claimed.rerun or file.slot not in claimed.outputs


def _describe(claimed: ClaimedAttempt, file: AnsweredOutput) -> SmallFile:
    parameters = UploadParameters(
        directory=claimed.working_directory,
        filename=file.filename,
        semantic_type=file.slot,
        attempt_id=claimed.attempt_id,
        task_id=claimed.task_id,
        job_id=claimed.job_id,
        mime_type=file.mime_type,
        rerun=_makes_anew(claimed, file),
    )
    return SmallFile(Path(file.path), parameters, file.metadata)


def _limits_of(claimed: ClaimedAttempt) -> AttemptLimits | None:
    said = (claimed.memory_gb, claimed.cpu_timeout, claimed.disk_gb, claimed.max_processes)
    return None if said == (None, None, None, None) else AttemptLimits(*said)
