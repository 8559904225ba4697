"""What the logic needs of the storage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from eas.contracts.ids import KnownIds
from eas.contracts.log_retention import RetentionPolicy
from eas.contracts.logs import LogQuery, LogRecord, LogScope, StoredRecord, StreamEnding
from eas_logging.domain.tally import Tally


class KnownIdsSource(Protocol):
    """Tells which ids of the scheduler the records have."""

    async def find_known(self) -> KnownIds:
        """Find the highest ids of the scheduler."""


class Records(Protocol):
    """Where records are kept."""

    async def add(self, records: Sequence[LogRecord], endings: Sequence[StreamEnding] = ()) -> int:
        """Add the records that are not there yet and tell how many were new, once they are durable."""

    async def index_some(self, most: int) -> int:
        """Make up to `most` records findable by text, and tell how many there were that were not."""

    async def pass_over(self) -> int:
        """Leave the next record that is not findable by text out of the index for good. Returns its id."""

    async def find(self, query: LogQuery) -> list[StoredRecord]:
        """Find records: in the order of their time, or, for searches, of arrival.

        Raises
        ------
        LookupError
            ``query.after`` is nowhere, and the order is that of time.
        """

    async def newest_id(self) -> int:
        """Tell the id of the record that arrived last; 0 if there is none."""

    async def find_arrivals(self, query: LogQuery, until: int) -> list[StoredRecord]:
        """Find records after the id ``query.after`` and up to `until`, in the order of arrival."""

    async def count_arrivals(self, query: LogQuery, until: int) -> int:
        """Count these, up to ``query.limit``."""

    async def find_latest(self, query: LogQuery, until: int) -> int:
        """Find the id after which there are ``query.limit`` matching records up to `until`."""

    async def count(self, scope: LogScope) -> dict[int, int]:
        """Count records by level."""

    async def count_tasks(self, job_id: int, after: int, limit: int) -> list[tuple[int, int, int]]:
        """Count the records of the first `limit` tasks of a job after a task: (task, level, count), in this order."""


class Tallies(Protocol):
    """What is known of how much was emitted and stored."""

    async def list_tallies(self, attempt_id: int) -> list[Tally]:
        """List what is known of each writer of an attempt, by name."""


class Removal(Protocol):
    """Where records are removed, and the policy is kept."""

    async def read_policy(self) -> RetentionPolicy:
        """Read the policy that was set last."""

    async def write_policy(self, policy: RetentionPolicy) -> None:
        """Set it."""

    async def list_levels(self) -> list[int]:
        """List the levels that there are."""

    async def measure(self) -> tuple[int, int]:
        """Tell how many records there are, about, and how much the database holds [bytes]."""

    async def count_expired(self, limits: dict[int, datetime]) -> dict[int, int]:
        """Count the records that are older than the limit of their level, by level."""

    async def remove_expired(self, limits: dict[int, datetime], most: int) -> dict[int, int]:
        """Remove up to `most` of them. Returns how many went, by level."""

    async def remove_first(self, most: int) -> int:
        """Remove up to `most` of the records that arrived first. Returns how many went."""

    async def merge_index(self, pages: int, *, begins: bool) -> bool:
        """Do a part of giving back what removed records took in the text index, and tell whether there is more."""
