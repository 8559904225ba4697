"""The process in which authors' code runs by itself, as `eas` sees it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from eas.contracts.authoring import AuthoringAnswer, AuthoringRequest, InspectionRequest, SingleTaskRequest
from eas.temporary_folders import temporary_folder
from eas_control.domain.errors import AuthorProcessError


def ask_author_process(
    request: SingleTaskRequest | InspectionRequest,
    *,
    task_types: Path | None = None,
    input_directory: Path | None = None,
    commands: Path | None = None,
    cpus: int = 1,
) -> AuthoringAnswer:
    """Have a process do it, in a folder that is gone afterwards, and so are all processes that it has started.

    Parameters
    ----------
    request
        What to do.
    task_types
        File or folder of task types and quality checks.
    input_directory
        Root of the external files that tasks may read.
    commands
        File with the commands of external programs.
    cpus
        Threads that a task may use.

    Raises
    ------
    AuthorProcessError
        It died.
    """
    with temporary_folder("run") as temporary:
        home = temporary.path
        folder = home / "run"
        folder.mkdir()
        asked = AuthoringRequest(
            request=request,
            folder=folder,
            answer=home / "answer.json",
            task_types=None if task_types is None else task_types.absolute(),
            input_directory=None if input_directory is None else input_directory.absolute(),
            commands=None if commands is None else commands.absolute(),
            cpus=cpus,
        )
        status = _run(asked, temporary.lock)
        if not asked.answer.exists():
            raise AuthorProcessError(status)
        return AuthoringAnswer.model_validate_json(asked.answer.read_bytes())


def _run(asked: AuthoringRequest, lock: int) -> int:
    process = subprocess.Popen(  # noqa: S603 - this interpreter, our module
        [sys.executable, "-m", "eas_worker.single_task_process", asked.model_dump_json()],
        stdin=subprocess.DEVNULL,
        stdout=2,  # standard output is for the answer alone
        env={**os.environ, "PYTHONSAFEPATH": "1"},
        pass_fds=(lock,),
        start_new_session=True,
    )
    try:
        return process.wait()
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
