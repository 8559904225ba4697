"""The worker's settings, from environment variables `EAS_WORKER_*`."""

from __future__ import annotations

import os
import re
import socket
import tempfile
from pathlib import Path
from secrets import token_hex
from typing import Annotated

from pydantic import DirectoryPath, Field, SecretStr, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from eas.amqp.settings import BrokerChoice

Words = Annotated[tuple[str, ...], NoDecode]

#: Settings of several words, by commas.
_LISTS = ("scheduler_url", "product_store_url", "log_service_url", "task_types", "only", "preload_modules")


#: Processes and threads that an attempt may have where nobody has said otherwise.
MAX_PROCESSES = 1024


class TokenError(ValueError):
    """The worker's token cannot be had."""


def make_worker_id() -> str:
    """Make a name that no other worker has: host, process and chance."""
    host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:36]
    return f"{host}-{os.getpid()}-{token_hex(4)}"


def default_work_directory() -> Path:
    """Choose a folder of this user's for temporary files."""
    return Path(tempfile.gettempdir()) / f"eas-worker-{os.getuid()}"


class WorkerSettings(BrokerChoice):
    """All that can be set."""

    model_config = SettingsConfigDict(env_prefix="EAS_WORKER_", frozen=True, extra="forbid")

    scheduler_url: Words = Field(
        min_length=1,
        description="Address of the scheduler, or several, separated by commas: the worker switches to the next if one "
        "does not answer.",
    )
    product_store_url: Words = Field(
        min_length=1, description="Address of the product store, or several, separated by commas."
    )
    log_service_url: Words = Field(
        default=(),
        description="Address of the log service, or several, separated by commas. If empty, log records stay on the "
        "worker's disk.",
    )
    token: SecretStr | None = Field(default=None, description="Bearer token with the scope work.")
    token_file: Path | None = Field(default=None, description="File whose first line is the token.")
    worker_id: str = Field(
        default_factory=make_worker_id,
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="Unique name of this worker; default: host, process id and random digits.",
    )
    slots: int = Field(default=0, ge=0, description="Tasks at the same time; 0: as many as the processors allow.")
    cpus_per_slot: int = Field(
        default=1, ge=1, description="Threads of each task, unless the container has an assignment."
    )
    container: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="Container (kind of worker) of this worker. The worker uses the resources that are assigned to it.",
    )
    work_directory: Path = Field(
        default_factory=default_work_directory, description="Folder for the files of tasks, on a fast local disk."
    )
    cache_gb: float = Field(
        default=4.0,
        ge=0,
        description="Size of the cache of inputs and outputs in the work directory; 0 disables the cache [GB].",
    )
    min_free_gb: float = Field(
        default=0.1,
        ge=0,
        description="While the work directory has less free room, the worker claims nothing and hands back attempts "
        "that fail for lack of room; 0 disables the check [GB].",
    )
    log_reserve_mb: float = Field(
        default=16.0,
        ge=0,
        description="Room in the work directory that is reserved for log records while the disk is full [MB].",
    )
    input_directory: Path | None = Field(default=None, description="Folder of the external files that tasks may read.")
    task_types: Words = Field(
        default=(), description="Additional task types, as name=module:attribute, separated by commas."
    )
    task_type_folder: DirectoryPath | None = Field(
        default=None,
        description="Folder of additional task types and quality checks: Python files and declarations of executables.",
    )
    commands: Path | None = Field(
        default=None, description="TOML file with the commands of external programs, one table per task type."
    )
    only: Words = Field(
        default=(), description="The task types to offer, separated by commas; if empty, all task types."
    )
    preload: bool = Field(default=True, description="Import all task types before the first child process is forked.")
    preload_modules: Words = Field(
        default=("eas_worker.science.preloading",),
        description="Additional modules to import, separated by commas.",
    )
    pin_cpus: bool = Field(default=False, description="Pin the tasks of each slot to separate processors.")
    memory_gb: float | None = Field(
        default=None,
        gt=0,
        description="Memory limit of an attempt, unless its task sets one [GB]. Default: the slot's part of the memory "
        "assigned to the container, otherwise nine tenths of the memory of the machine or container.",
    )
    cpu_timeout: float | None = Field(
        default=None, gt=0, description="Limit of the processor time of an attempt, unless its task sets one [s]."
    )
    disk_gb: float | None = Field(
        default=None,
        gt=0,
        description="Limit of the files that an attempt writes, unless its task sets one [GB].",
    )
    max_processes: int | None = Field(
        default=MAX_PROCESSES,
        ge=1,
        description="Limit of the processes and threads of an attempt, unless its task sets one.",
    )
    child_attempts: int = Field(
        default=0, ge=0, description="A child process is replaced after this many attempts; 0 disables this."
    )
    child_growth_gb: float = Field(
        default=2.0,
        ge=0,
        description="A child process is replaced when its memory in use has grown by this much; 0 disables this [GB].",
    )
    most_claimed: int = Field(default=256, ge=1, le=1000, description="Maximum attempts in one claim.")
    horizon: float = Field(default=0.25, gt=0, le=60, description="Work to prefetch for each slot [s].")
    grace_seconds: float = Field(
        default=10.0, ge=0, description="Grace period for running tasks when the worker stops [s]."
    )
    drain_seconds: float = Field(
        default=5.0, ge=0, description="Time for the last reports and log records when the worker stops [s]."
    )
    follow_parent: bool = Field(
        default=False, description="Stop when standard input ends, because the parent process has ended."
    )

    @model_validator(mode="before")
    @classmethod
    def _split_words(cls, values: dict[str, object]) -> dict[str, object]:
        for name in _LISTS:
            if isinstance(text := values.get(name), str):
                values[name] = tuple(word.strip() for word in text.split(",") if word.strip())
        return values

    def count_slots(self) -> int:
        """Tell how many slots there are to be."""
        return self.slots or max(1, len(os.sched_getaffinity(0)) // self.cpus_per_slot)

    def read_token(self) -> str | None:
        """Find the token, if there is one.

        Raises
        ------
        TokenError
            Its file cannot be read or is empty.
        """
        if self.token is not None:
            return self.token.get_secret_value()
        if self.token_file is None:
            return None
        try:
            lines = self.token_file.read_text("utf-8").split()
        except OSError as error:
            raise TokenError(f"token file {self.token_file}: {error.strerror}") from error
        if not lines:
            raise TokenError(f"token file {self.token_file}: is empty")
        return lines[0]
