"""Letting old records go, in the background."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from datetime import UTC, datetime, timedelta

from eas.background import cancel_and_wait, keep_running
from eas.contracts.log_retention import RetentionPolicy, RetentionReport
from eas_logging.logic.ports import Removal

logger = logging.getLogger(__name__)

#: How many records go in one transaction: what is taken in meanwhile waits for it.
STEP = 2_000

#: After how many removed records the text index is merged, so that searches do not go through what is gone; at least,
#: and as a part of those that are left: merging goes through the whole index.
MERGE_AFTER = 100_000
MERGE_AFTER_PART = 50

#: How much of the index is merged in one transaction [pages of 4 kB].
MERGE_STEP = 200

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Retention:
    """Removes what the policy lets go, now and then, a few records at a time.

    Parameters
    ----------
    removal
        Where records are removed, and the policy is kept.
    every_seconds
        How often [s].
    merge_after
        How many records go, at least, before the text index is merged.
    """

    def __init__(self, removal: Removal, *, every_seconds: float, merge_after: int = MERGE_AFTER) -> None:
        self._removal = removal
        self._every_seconds = every_seconds
        self._merge_after = merge_after
        self._turn = asyncio.Lock()
        self._removed = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to let records go in the background."""
        self._task = asyncio.create_task(keep_running("log retention", self._run), name="log-retention")

    async def stop(self) -> None:
        """Stop, in the middle of a run, too: the next one goes on."""
        if self._task is not None:
            await cancel_and_wait([self._task])
            self._task = None

    async def get_policy(self) -> RetentionPolicy:
        """Tell which records may go."""
        return await self._removal.read_policy()

    async def set_policy(self, policy: RetentionPolicy) -> RetentionPolicy:
        """Set which records may go, from the next run on."""
        await self._removal.write_policy(policy)
        return policy

    async def preview(self, policy: RetentionPolicy) -> RetentionReport:
        """Tell what a run by this policy would remove."""
        expired = await self._removal.count_expired(await self._find_limits(policy))
        count, used = await self._removal.measure()
        over_size = 0
        if policy.max_bytes is not None and used > policy.max_bytes:
            needed = math.ceil(count * (1 - policy.max_bytes / used))
            over_size = max(0, min(needed, count - 1) - sum(expired.values()))
        return RetentionReport(dry_run=True, expired=expired, over_size=over_size, used_bytes=used)

    async def apply(self) -> RetentionReport:
        """Remove what the policy lets go."""
        async with self._turn:
            policy = await self._removal.read_policy()
            limits = await self._find_limits(policy)
            expired: Counter[int] = Counter()
            while removed := await self._removal.remove_expired(limits, STEP):
                expired.update(removed)
            over_size = 0
            _, used = await self._removal.measure()
            while policy.max_bytes is not None and used > policy.max_bytes:
                first = await self._removal.remove_first(STEP)
                if not first:
                    break
                over_size += first
                _, used = await self._removal.measure()
            self._removed += expired.total() + over_size
            used = await self._merge_index()
        return RetentionReport(dry_run=False, expired=dict(expired), over_size=over_size, used_bytes=used)

    async def _merge_index(self) -> int:
        """Merge the text index if enough has gone since the last time. Returns how much the database holds [bytes]."""
        count, used = await self._removal.measure()
        if self._removed < max(self._merge_after, count // MERGE_AFTER_PART):
            return used
        more = await self._removal.merge_index(MERGE_STEP, begins=True)
        while more:
            more = await self._removal.merge_index(MERGE_STEP, begins=False)
        self._removed = 0
        return (await self._removal.measure())[1]

    async def _find_limits(self, policy: RetentionPolicy) -> dict[int, datetime]:
        """Find, for each level that there is, the time before which its records go."""
        now = datetime.now(UTC)
        limits = {}
        for level in await self._removal.list_levels():
            days = [rule.older_than_days for rule in policy.rules if level <= rule.max_level]
            if days:
                age = timedelta(days=min(days))
                limits[level] = now - age if now - _LONG_AGO > age else _LONG_AGO
        return limits

    async def _run(self) -> None:
        while True:
            report = await self.apply()
            if report.expired or report.over_size:
                removed = sum(report.expired.values()) + report.over_size
                logger.info("%d log records removed by the retention policy", removed)
            await asyncio.sleep(self._every_seconds)
