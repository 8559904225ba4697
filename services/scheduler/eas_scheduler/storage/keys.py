"""Keys for rows that are written in bulk, handed out from blocks that are reserved in the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from eas.database.prepared import Answer, Prepared
from eas_scheduler.storage.schema import attempt_table, product_promise_table, task_table
from eas_scheduler.storage.schema import key_sequence_table as _sequence

_KEYS = {
    "task": task_table.c.id,
    "attempt": attempt_table.c.id,
    "promise": product_promise_table.c.id,
}

_ENDS = Prepared(select(_sequence.c.name, _sequence.c.next_key))

BLOCK = 10_000


class KeyBlocks:
    """Hands out keys of one process. Lives as long as the process; used by one transaction at a time.

    Keys grow in the order in which transactions take them, whichever process they are of: a block is left unused once
    another process has reserved keys. Queues and the product store take the smaller key for the older one.

    A transaction that fails gives its keys back, with `restore`. Where a whole group of transactions may have failed to
    commit, their reservations may be lost, or another process may have them by now: `forget` leaves all unused. The
    next reservation begins above every key that is in use.
    """

    def __init__(self) -> None:
        self._free: dict[str, range] = {}
        self._ends: Answer = lambda: []
        self._overtaken: set[str] = set()
        self._is_sure = False

    def take(self, connection: Connection, name: str, count: int) -> range:
        """Take `count` successive keys of the table `name`."""
        if not self._is_sure and connection.dialect.name != "sqlite":
            self._find_overtaken()
        free = self._free.get(name, range(0))
        if len(free) < count:
            free = _reserve(connection, name, count if name in self._overtaken else max(BLOCK, count))
        self._free[name] = free[count:]
        return free[:count]

    def _find_overtaken(self) -> None:
        """Leave blocks unused after which others have reserved keys; within a transaction nobody else does."""
        ends = _by_name(self._ends())
        self._overtaken = {name for name, free in self._free.items() if free.stop != ends.get(name)}
        for name in self._overtaken:
            self._free[name] = range(0)
        self._is_sure = True

    def remember(self, connection: Connection) -> dict[str, range]:
        """Begin a transaction. Returns which keys are free, for `restore`."""
        self._is_sure = False
        self._ends = _ENDS.foresee(connection)
        return dict(self._free)

    def forget(self) -> None:
        """Use no key that was reserved so far."""
        self._free = {}

    def restore(self, free: dict[str, range]) -> None:
        """Go back to what was free before a transaction that failed."""
        self._free = free


def _by_name(rows: Sequence[Sequence[Any]]) -> dict[str, int]:
    return {name: int(next_key) for name, next_key in rows}


def _reserve(connection: Connection, name: str, size: int) -> range:
    key = _KEYS[name]
    found = _by_name(_ENDS.fetch(connection)).get(name)
    highest = connection.execute(select(func.max(key))).scalar_one()
    start = max(found or 1, (highest or 0) + 1)
    if found is None:
        connection.execute(insert(_sequence).values(name=name, next_key=start + size))
    else:
        connection.execute(update(_sequence).where(_sequence.c.name == name).values(next_key=start + size))
    return range(start, start + size)
