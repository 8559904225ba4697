"""The worker's program: ``python -m eas_worker.main``, with its settings in the environment."""

from __future__ import annotations

import asyncio
import logging
import os
import sys

import uvloop
from pydantic import ValidationError

from eas.contracts.errors import EasError
from eas.disk import describe_full, is_full
from eas.log_lines import write_log_lines
from eas.signals import choose_stop_signals, hear_signals
from eas_worker.factory import open_worker
from eas_worker.logic.worker import NoTaskTypesError, Worker
from eas_worker.settings import TokenError, WorkerSettings
from eas_worker.storage.fork_server import ForkServerError
from eas_worker.storage.workspace import WorkspaceError

logger = logging.getLogger(__name__)

#: What a user can mend; anything else is a defect and shows its traceback.
EXPECTED = (EasError, ForkServerError, NoTaskTypesError, TokenError, WorkspaceError)


async def run_worker(settings: WorkerSettings) -> None:
    """Work until SIGTERM, SIGINT, SIGHUP (unless ignored) or, if it is to follow its parent, the end of its input."""
    async with open_worker(settings) as worker:
        loop = asyncio.get_running_loop()
        for number in choose_stop_signals():
            loop.add_signal_handler(number, worker.stop)
        if settings.follow_parent:
            loop.add_reader(sys.stdin.fileno(), _watch_parent, worker)
        logger.info("worker %s starts", settings.worker_id)
        await worker.run()


def _watch_parent(worker: Worker) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        worker.stop()


def main() -> None:
    """Run a worker. Exit status: 0 if it was stopped, 1 if it cannot work, 2 if its settings are wrong."""
    hear_signals()
    write_log_lines()
    try:
        settings = WorkerSettings()
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False):
            place = "_".join(str(part) for part in found["loc"]).upper()
            print(f"EAS_WORKER_{place}: {found['msg']}", file=sys.stderr)
        sys.exit(2)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run_worker(settings))
    except* EXPECTED as group:
        for cause in group.exceptions:
            print(f"worker {settings.worker_id}: {cause}", file=sys.stderr)
        sys.exit(1)
    except* OSError as group:
        _, others = group.split(is_full)
        if others is not None:
            raise
        print(f"worker {settings.worker_id}: {describe_full(settings.work_directory)}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
