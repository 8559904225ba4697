"""Looking at what processes and files are doing, from outside."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 120.0


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def read_if_there(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def gone(pid: int) -> None:
    """Wait until a process has ended."""
    await asyncio.to_thread(_wait, lambda: not is_alive(pid), f"process {pid} to end")


async def appearance(path: Path) -> str:
    """Wait until a task has written a file, and read it."""
    await asyncio.to_thread(_wait, lambda: bool(read_if_there(path)), f"{path} to be written")
    return await asyncio.to_thread(path.read_text)


async def words(path: Path, wanted: str) -> None:
    """Wait until a file has these words."""
    await asyncio.to_thread(_wait, lambda: wanted in read_if_there(path), f"{wanted!r} in {path}")


def _wait(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, f"waited {PATIENCE} s in vain for {what}"
        time.sleep(0.005)
