"""Products: names that tasks promise to fill."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from datetime import datetime

from shared.contracts.errors import ProductExistsError
from shared.contracts.metadata import Metadata

DEFAULT_MIME_TYPE = "application/octet-stream"


@dataclass(frozen=True, kw_only=True)
class Promise:
    """A task's word that it will write a file.

    Parameters
    ----------
    planned
        False where a version arrived before its plan, or was never planned; a plan that comes later completes it.
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

    @property
    def name(self) -> tuple[str, str]:
        """Directory and filename: unique in the whole system."""
        return self.directory, self.filename


@dataclass(frozen=True, kw_only=True)
class Product(Promise):
    """A promise that is registered."""

    product_id: int


def check_same_promise(known: Promise, given: Promise, where: str) -> None:
    """Refuse a promise that does not agree with the one that holds the name.

    Raises
    ------
    ProductExistsError
        Another task holds the name, or the same one under another semantic type.
    """
    label = f"product {known.filename!r} in directory {known.directory!r}"
    if known.generator_task_id != given.generator_task_id:
        raise ProductExistsError(
            f"{label} is already promised by task {known.generator_task_id} of job {known.job_id}", where=where
        )
    if known.semantic_type != given.semantic_type:
        raise ProductExistsError(
            f"{label} is already promised as {known.semantic_type!r}, not as {given.semantic_type!r}", where=where
        )


def choose_mime_type(announced: str | None, promised: str | None, filename: str) -> str:
    """Choose what a version's bytes are: as announced, else as promised, else by the filename."""
    return announced or promised or guess_mime_type(filename)


def guess_mime_type(filename: str) -> str:
    """Guess from the filename; a compressed file is just bytes."""
    guessed, encoding = mimetypes.guess_type(filename, strict=True)
    return DEFAULT_MIME_TYPE if guessed is None or encoding is not None else guessed
