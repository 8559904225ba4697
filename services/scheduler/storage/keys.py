"""Keys for rows that are written in bulk, handed out from blocks that are reserved in the database."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from services.scheduler.storage.schema import KeySequenceRow

_sequence = KeySequenceRow.__table__  # type: ignore[attr-defined]

BLOCK = 10_000


class KeyBlocks:
    """Hands out keys of one process. Lives as long as the process; used by one transaction at a time.

    Keys that a transaction took and did not commit are lost, which is harmless; a block whose reservation was rolled
    back must not be used, so `forget` is called after every transaction that fails.
    """

    def __init__(self) -> None:
        self._free: dict[str, range] = {}

    def take(self, connection: Connection, name: str, count: int) -> range:
        """Take `count` successive keys of the sequence `name`."""
        free = self._free.get(name, range(0))
        if len(free) < count:
            size = max(BLOCK, count)
            found = connection.execute(
                update(_sequence).where(_sequence.c.name == name).values(next_key=_sequence.c.next_key + size)
            )
            if found.rowcount == 0:
                connection.execute(insert(_sequence).values(name=name, next_key=1 + size))
            end = connection.execute(select(_sequence.c.next_key).where(_sequence.c.name == name)).scalar_one()
            free = range(end - size, end)
        self._free[name] = free[count:]
        return free[:count]

    def forget(self) -> None:
        """Forget all blocks, as after a failed transaction."""
        self._free.clear()
