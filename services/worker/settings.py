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

from shared.amqp.settings import BrokerChoice

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
        description="Where the scheduler is mounted. Several addresses by commas: the next is used while one does not "
        "answer.",
    )
    product_store_url: Words = Field(
        min_length=1, description="Where the product store is mounted; several addresses by commas."
    )
    log_service_url: Words = Field(
        default=(), description="Where the log service is; several addresses by commas, and none where logs stay here."
    )
    token: SecretStr | None = Field(default=None, description="Bearer token with the scope work.")
    token_file: Path | None = Field(default=None, description="File whose first line is the token.")
    worker_id: str = Field(default_factory=make_worker_id, pattern=r"^[A-Za-z0-9._-]{1,64}$")
    slots: int = Field(default=0, ge=0, description="Tasks at the same time; 0: as many as the processors allow.")
    cpus_per_slot: int = Field(
        default=1, ge=1, description="Threads that each task may use, where no container says otherwise."
    )
    container: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="The kind of worker that this is; it uses what the scheduler has assigned to that.",
    )
    work_directory: Path = Field(default_factory=default_work_directory, description="On a fast local disk.")
    cache_gb: float = Field(
        default=4.0,
        ge=0,
        description="Inputs and outputs kept in the work directory for the host's next tasks; 0: none.",
    )
    min_free_gb: float = Field(
        default=0.1,
        ge=0,
        description="While less is free in the work directory the worker takes nothing, and what fails for want of "
        "room is given back; 0: it does not look [GB].",
    )
    log_reserve_mb: float = Field(
        default=16.0,
        ge=0,
        description="Set aside in the work directory for the log records of the time when its disk is full [MB].",
    )
    input_directory: Path | None = Field(default=None, description="Root of the external files that tasks may read.")
    task_types: Words = Field(default=(), description="Further task types, as name=module:attribute, by commas.")
    task_type_folder: DirectoryPath | None = Field(
        default=None,
        description="Folder of further task types and quality checks: Python files, and declarations of executables.",
    )
    commands: Path | None = Field(
        default=None, description="TOML file with the commands of external programs, a table for each task type."
    )
    only: Words = Field(default=(), description="The task types to offer, by commas; all where there are none.")
    preload: bool = Field(default=True, description="Import all task types before the first child is forked.")
    preload_modules: Words = Field(
        default=("services.worker.science.preloading",), description="Modules to import besides, by commas."
    )
    pin_cpus: bool = Field(
        default=False, description="Let the tasks of each slot run on processors of their own, no others."
    )
    memory_gb: float | None = Field(
        default=None,
        gt=0,
        description="Memory of an attempt whose task does not say [GB]; None: its slot's part of what the container "
        "was assigned, else nine tenths of what there is.",
    )
    cpu_timeout: float | None = Field(
        default=None, gt=0, description="Processor time of an attempt whose task does not say [s]."
    )
    disk_gb: float | None = Field(
        default=None,
        gt=0,
        description="Files that an attempt whose task does not say may write [GB].",
    )
    max_processes: int | None = Field(
        default=MAX_PROCESSES, ge=1, description="Processes and threads of an attempt whose task does not say."
    )
    child_attempts: int = Field(
        default=0, ge=0, description="A process is replaced after so many attempts; 0: never for that reason."
    )
    child_growth_gb: float = Field(
        default=2.0, ge=0, description="A process is replaced when so much more memory stays in use [GB]; 0: never."
    )
    most_claimed: int = Field(default=256, ge=1, le=1000, description="The most attempts to claim at once.")
    horizon: float = Field(default=0.25, gt=0, le=60, description="Work to have ahead of each slot [s].")
    grace_seconds: float = Field(default=10.0, ge=0, description="For running tasks when the worker is to stop [s].")
    drain_seconds: float = Field(default=5.0, ge=0, description="For the last reports and log records then [s].")
    follow_parent: bool = Field(default=False, description="Stop when standard input ends: the parent is gone.")

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
