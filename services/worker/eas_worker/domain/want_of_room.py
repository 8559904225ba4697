"""Whose fault it is that a disk is full: the worker's, which gives the attempt back, or the attempt's own."""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace

from eas.contracts.states import FailureReason
from eas.disk import FULL_ERRORS, show_bytes
from eas_worker.domain.assignment import Answer

#: With less than this a disk counts as full, whatever an attempt says [bytes].
NOTHING_LEFT = 4_000_000

#: How far to look into the causes of an error.
_MOST_CAUSES = 32


@dataclass(frozen=True, slots=True)
class DiskLook:
    """The disk of the working directories, as an attempt left it.

    Parameters
    ----------
    folder
        Where they are.
    free
        What can still be written [bytes].
    own
        What the attempt's own files take [bytes].
    promised
        What the worker sees to be free before it takes an attempt; 0: it does not look [bytes].
    """

    folder: str
    free: int
    own: int
    promised: int

    @property
    def is_short(self) -> bool:
        """Whether there would be less than was promised even without the attempt's files."""
        return self.free + self.own < self.promised

    @property
    def is_full(self) -> bool:
        """Whether nothing is left, and that is not the attempt's doing."""
        return self.free < NOTHING_LEFT and self.is_short


def find_full_disk(error: BaseException | None) -> OSError | None:
    """Find what says that a disk is full among an error and its causes."""
    for _ in range(_MOST_CAUSES):
        if error is None:
            return None
        if isinstance(error, OSError) and error.errno in FULL_ERRORS:
            return error
        error = error.__cause__ or error.__context__
    return None


def excuse(answer: Answer, error: BaseException | None, look: DiskLook) -> Answer:
    """Take an attempt that failed because the worker's disk is full for one that the worker gives back.

    An attempt that found the disk full is given back where the worker had promised more room than there was. One that
    wrote more than that itself has failed. Programs say nothing but that they failed, or leave files that are cut off;
    so what fails or is rejected while nothing at all is left is given back, too.

    Parameters
    ----------
    answer
        How the attempt went.
    error
        What its code raised, if it did.
    look
        The disk when it had ended, with its files still in place.
    """
    if answer.state == "accepted":
        return answer
    full = find_full_disk(error)
    if full is not None and full.errno == errno.EDQUOT:
        short = look.own < look.promised  # how much of a share is left cannot be asked
    else:
        short = look.is_short if full is not None else look.is_full
    if not short:
        return answer
    return replace(
        answer, state="failed", reason=FailureReason.EVICTED, message=describe(look), checking_at=None, outputs=[]
    )


def describe(look: DiskLook) -> str:
    """Say why an attempt is given back."""
    return (
        f"the worker's disk is full: {look.folder} has {show_bytes(look.free)} left, "
        f"its tasks need {show_bytes(look.promised)}"
    )
