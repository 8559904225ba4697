"""Workers of an earlier run of the suite that was killed: what they held goes on at once, not when leases expire."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from eas_control.logic.worker_pool import NAME_PREFIX, POLL_SECONDS, Registry

if TYPE_CHECKING:
    from eas.contracts.scheduler import WorkerView

logger = logging.getLogger(__name__)

#: How long a killed process may take to vanish [s].
VANISH_SECONDS = 5.0


async def dismiss_predecessors(registry: Registry, is_alive: Callable[[str], bool]) -> int:
    """Dismiss the suite's workers of an earlier run. Returns how many there were.

    A worker whose suite was killed notices, but takes its grace period to stop. It is ended here: its lock says that it
    lives, so the process number that it announced is still its own.

    Parameters
    ----------
    registry
        The scheduler.
    is_alive
        Tells whether a worker's process lives.
    """
    dismissed = 0
    for view in await registry.list_workers():
        if view.gone or not view.worker_id.startswith(NAME_PREFIX):
            continue
        if is_alive(view.worker_id) and not await _end(view, is_alive):
            logger.warning("worker %s of an earlier run still lives; its leases will run out", view.worker_id)
            continue
        await registry.dismiss(view.worker_id)
        dismissed += 1
    return dismissed


async def _end(view: WorkerView, is_alive: Callable[[str], bool]) -> bool:
    if view.host != socket.gethostname():
        return False
    with suppress(ProcessLookupError, PermissionError):
        os.kill(view.process_id, signal.SIGKILL)
    for _ in range(int(VANISH_SECONDS / POLL_SECONDS)):
        if not is_alive(view.worker_id):
            return True
        await asyncio.sleep(POLL_SECONDS)
    return False
