"""Which of several schedulers does what only one may do, and how long its word counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Leadership:
    """The lease of the one that leads.

    Parameters
    ----------
    holder
        Its name.
    fence
        Grows with every change of hands: what an earlier holder still wants to write is refused.
    expires_at
        Until when it leads unless it says so again.
    """

    holder: str
    fence: int
    expires_at: datetime


def claim_leadership(
    found: Leadership | None,
    me: str,
    my_fence: int | None,
    at: datetime,
    lease: timedelta,
    asked_at: datetime | None = None,
) -> Leadership | None:
    """Decide whether a scheduler leads from now on, and on what terms; None while another does.

    Parameters
    ----------
    found
        What is written down.
    me
        The scheduler's name.
    my_fence
        The fence under which it leads; None if it does not, as when it was just started. One that was started again
        under the name of the holder is its successor and need not wait for the lease to end.
    at
        Now.
    lease
        How long a word counts.
    asked_at
        When this scheduler began to wait for its turn to write; None: now. Whoever leads could not renew its lease
        meanwhile either, so a lease that ended while both waited is no sign that it is gone.
    """
    if found is None:
        return Leadership(me, 1, at + lease)
    if found.holder == me and found.fence == my_fence:
        return Leadership(me, found.fence, at + lease)
    is_successor = found.holder == me and my_fence is None
    if is_successor or found.expires_at <= (asked_at or at):
        return Leadership(me, found.fence + 1, at + lease)
    return None
