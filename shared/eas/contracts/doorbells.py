"""A doorbell: the message by which a scheduler tells workers that an attempt may be claimed.

It carries the attempt's id as decimal text and nothing else. Whoever hears it asks the scheduler for work, and gets
what is first in its queues; so a doorbell that comes late, twice or never does no harm.
"""

from __future__ import annotations

from eas.contracts.errors import InvalidInputError

_LONGEST = 20


def write_doorbell(attempt_id: int) -> bytes:
    """Make the body of a message."""
    return str(attempt_id).encode()


def read_doorbell(body: bytes) -> int:
    """Read the body of a message.

    Raises
    ------
    InvalidInputError
        It is no attempt's id.
    """
    if not body.isdigit() or len(body) > _LONGEST:
        raise InvalidInputError(f"a doorbell carries an attempt's id; found {body[:40]!r}", where="body")
    return int(body)
