"""Keeps the worker from taking work that its disk has no room for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from eas.disk import show_bytes
from eas_worker.domain.want_of_room import DiskLook, describe
from eas_worker.logic.ports import Disk, InputCache

logger = logging.getLogger(__name__)

#: How often to look at the disk [s].
LOOK_SECONDS = 1.0

#: After an attempt that found the disk full nothing is taken for so long, doubled each time that happens again [s].
FIRST_HOLD, LONGEST_HOLD = 2.0, 120.0


class Room:
    """Knows whether there is room to work in.

    A pause begins when less is free than the worker promises its tasks, or when a task found the disk full. It ends
    when there is room again; but a task that finds the disk full although there seemed to be room makes the worker
    wait longer each time, so that it does not take such tasks again and again.

    Parameters
    ----------
    disk
        The disk; None: there is always room.
    cache
        Kept files, which go before the worker pauses; None: there are none.
    on_pause
        Called when a pause begins.
    on_resume
        Called when it has ended.
    """

    def __init__(
        self,
        disk: Disk | None,
        cache: InputCache | None,
        *,
        on_pause: Callable[[], None],
        on_resume: Callable[[], None],
    ) -> None:
        self._disk = disk
        self._cache = cache
        self._on_pause = on_pause
        self._on_resume = on_resume
        self._clock = asyncio.get_running_loop().time
        self._alarm = asyncio.Event()
        self._hold = FIRST_HOLD
        self._held_until = 0.0
        self.paused: str | None = None

    async def run(self) -> None:
        """Look for ever."""
        while self._disk is not None:
            await self.look()
            self._alarm.clear()
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._alarm.wait()
            except TimeoutError:
                pass

    async def look(self) -> None:
        """Look at the disk, and begin or end a pause."""
        if self._disk is None:
            return
        try:
            await asyncio.to_thread(self._disk.set_aside)
            found = await asyncio.to_thread(self._disk.look)
            if found.is_short and self._cache is not None and await asyncio.to_thread(self._cache.give_way):
                found = await asyncio.to_thread(self._disk.look)
        except OSError as error:
            logger.error("the disk cannot be looked at: %s", error)
            return
        self._conclude(found)

    def explain(self, *folders: Path, full: bool) -> str | None:
        """Say that the disk is short of room and that this is not an attempt's own doing; None where it is neither.

        Parameters
        ----------
        folders
            With the files of the attempt. They need not exist.
        full
            Nothing at all may be left.
        """
        if self._disk is None:
            return None
        try:
            found = self._disk.look(*folders)
        except OSError:
            return None
        return describe(found) if (found.is_full if full else found.is_short) else None

    def note_full(self, words: str) -> None:
        """An attempt found the disk full: take nothing for a while, whatever the disk looks like."""
        now = self._clock()
        if now >= self._held_until:  # several attempts that run together count once
            self._held_until = now + self._hold
            self._hold = min(2 * self._hold, LONGEST_HOLD)
        self._pause(words)
        self._alarm.set()

    def note_success(self) -> None:
        """An attempt came to a good end."""
        if self.paused is None:
            self._hold = FIRST_HOLD

    def _conclude(self, found: DiskLook) -> None:
        if found.is_short:
            missing = found.promised - found.free
            self._pause(
                f"its disk is full: {show_bytes(missing)} are missing, {found.folder} has {show_bytes(found.free)} "
                f"left and its tasks need {show_bytes(found.promised)}"
            )
        elif self.paused is not None and self._clock() >= self._held_until:
            self.paused = None
            logger.warning("there is room on the disk again: work goes on")
            self._on_resume()

    def _pause(self, words: str) -> None:
        begins = self.paused is None
        self.paused = words[:512]
        if begins:
            logger.warning("this worker takes nothing more until there is room: %s", words)
            self._on_pause()
