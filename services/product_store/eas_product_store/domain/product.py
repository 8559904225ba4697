"""Products: names that tasks promise to fill."""

from __future__ import annotations

import mimetypes
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from eas.contracts.errors import ProductExistsError
from eas.contracts.metadata import Metadata

DEFAULT_MIME_TYPE = "application/octet-stream"


@dataclass(frozen=True, kw_only=True)
class Promise:
    """A task's word that it will write a file.

    Parameters
    ----------
    planned
        False where a version arrived before its plan, or was never planned; a plan that comes later completes it.
    rerun
        Whether its job makes new versions of products that other jobs promised.
    """

    directory: str
    filename: str
    semantic_type: str
    mime_type: str | None
    generator_task_id: int
    job_id: int
    planned_at: datetime
    metadata: Metadata
    planned: bool = True
    rerun: bool = False

    @property
    def name(self) -> tuple[str, str]:
        """Directory and filename: unique in the whole system."""
        return self.directory, self.filename


@dataclass(frozen=True, kw_only=True)
class Product(Promise):
    """A promise that is registered."""

    product_id: int


class Standing(Enum):
    """How a promise stands to the one that holds its name."""

    HOLDS = "holds"
    MAY_STORE = "may store"
    TAKES_OVER = "takes over"


def judge_promise(
    known: Promise, earlier: Collection[int], given: Promise, where: str, *, lost: bool = False
) -> Standing:
    """Say how a promise stands to the one that holds the name; `earlier` are other tasks that may store under it.

    Of the tasks that planned a name the one with the highest id holds it, for the scheduler gives ids as it plans, and
    the others may store versions still: so plans can come twice, late and in any order, before or after versions. What
    a re-run's task has come to hold first, a task with a lower id must have had before. A product that no job planned,
    such as external data that was found, may get another semantic type when it is made again.

    A task is `lost` if it holds the name and the scheduler does not know it any more, because the scheduler was
    restored to an earlier moment. Its promise counts no longer: whoever promises the name next holds it.

    Raises
    ------
    ProductExistsError
        Another task holds the name and this is no re-run, or the semantic types differ.
    """
    label = f"product {known.filename!r} in directory {known.directory!r}"
    holds = known.generator_task_id == given.generator_task_id
    before = given.generator_task_id in earlier
    is_older = given.generator_task_id < known.generator_task_id
    if lost and not holds:
        return Standing.TAKES_OVER
    if not (holds or before or given.rerun or (is_older and known.rerun)):
        raise ProductExistsError(
            f"{label} is already promised by task {known.generator_task_id} of job {known.job_id}", where=where
        )
    if known.semantic_type != given.semantic_type and (known.planned or not given.rerun):
        raise ProductExistsError(
            f"{label} is already promised as {known.semantic_type!r}, not as {given.semantic_type!r}", where=where
        )
    if holds:
        return Standing.HOLDS
    if given.planned:
        return Standing.MAY_STORE if is_older else Standing.TAKES_OVER
    if before or (is_older and (known.planned or not given.rerun)):
        return Standing.MAY_STORE
    return Standing.TAKES_OVER


def choose_mime_type(announced: str | None, promised: str | None, filename: str) -> str:
    """Choose what a version's bytes are: as announced, else as promised, else by the filename."""
    return announced or promised or guess_mime_type(filename)


def guess_mime_type(filename: str) -> str:
    """Guess from the filename; a compressed file is just bytes."""
    guessed, encoding = mimetypes.guess_type(filename, strict=True)
    return DEFAULT_MIME_TYPE if guessed is None or encoding is not None else guessed
