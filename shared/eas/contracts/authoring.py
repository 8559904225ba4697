"""What `eas` and the process that runs authors' code by itself say to each other. Owner: the worker."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from eas.contracts.metadata import Metadata


class SingleTaskLimits(BaseModel):
    """What the task may use, by the names of a job's rules; None: what the other side says."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    run_timeout: float | None = Field(default=None, gt=0, le=1e9, description="[s]")
    cpu_timeout: float | None = Field(default=None, gt=0, le=1e9, description="Of all its processes together [s].")
    memory_gb: float | None = Field(default=None, gt=0, le=1e6, description="Of all its processes together [GB].")
    disk_gb: float | None = Field(default=None, gt=0, le=1e6, description="Files in its working directory [GB].")
    max_processes: int | None = Field(default=None, ge=1, le=1_000_000, description="Processes and threads.")

    def over(self, others: SingleTaskLimits) -> SingleTaskLimits:
        """Fill what is not said here from `others`."""
        said = self.model_dump(exclude_none=True)
        return SingleTaskLimits(**(others.model_dump(exclude_none=True) | said))


class SingleTaskRequest(BaseModel):
    """Run the one task of a file."""

    action: Literal["run"] = "run"
    config: Path = Field(description="TOML or INI.")
    base: Path | None = Field(
        default=None, description="What relative paths start from; default: the file's folder, then the current one."
    )
    out: Path | None = Field(
        default=None, description="Where relative outputs go; default: `base`, or beside the file."
    )
    seed: int | None = Field(default=None, description="In place of the file's.")
    keep_metadata: bool = Field(default=False, description="Write the metadata of each output beside it.")
    limits: SingleTaskLimits = Field(default=SingleTaskLimits(), description="In place of the file's.")


class InspectionRequest(BaseModel):
    """Inspect task types."""

    action: Literal["inspect"] = "inspect"
    targets: list[str] = Field(description="Files, folders, modules, module:attribute, or names of installed ones.")
    try_examples: bool = Field(default=True, description="Run the examples that are declared.")


class AuthoringRequest(BaseModel):
    """What the process is to do. It leaves an `AuthoringAnswer` in `answer`."""

    request: SingleTaskRequest | InspectionRequest = Field(discriminator="action")
    folder: Path = Field(description="Its own, empty; whoever asks removes it.")
    answer: Path
    task_types: Path | None = Field(default=None, description="File or folder of further task types and checks.")
    input_directory: Path | None = Field(default=None, description="Root of the external files that tasks may read.")
    commands: Path | None = Field(default=None, description="File with the commands of external programs.")
    cpus: int = Field(default=1, ge=1)


class SingleTaskOutput(BaseModel):
    """A file that the task made. `path` is where it was put: to what the file says, or beside it as ``.rejected``."""

    slot: str
    path: Path
    size: int
    mime_type: str
    metadata: Metadata
    passed_qc: bool
    qc_reason: str = ""


class SingleTaskRun(BaseModel):
    """How the task went."""

    task_type: str
    version: str
    job_name: str
    task_name: str
    seed: int
    state: Literal["accepted", "rejected", "failed"]
    reason: str | None = None
    message: str | None = None
    wall_time: float = Field(description="[s]")
    cpu_time: float = Field(description="With that of processes that it started [s].")
    metadata: Metadata = Field(default_factory=dict)
    outputs: list[SingleTaskOutput] = Field(default_factory=list)


class Finding(BaseModel):
    """Something that is wrong, or that could be better."""

    severity: Literal["error", "advice"]
    message: str


class Inspection(BaseModel):
    """What was found out about one task type, quality check or file."""

    subject: str = Field(description="For example: task type 'scale' 1.")
    source: str = Field(description="Where it comes from.")
    findings: list[Finding] = Field(default_factory=list)
    tried: str = Field(default="", description="How its example went.")
    stops_workers: bool = Field(default=False, description="Workers that have this offer nothing at all.")

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return all(finding.severity != "error" for finding in self.findings)


class AuthoringAnswer(BaseModel):
    """One of the three: what was asked for could not be begun, or how it went."""

    refusal: str | None = None
    run: SingleTaskRun | None = None
    inspections: list[Inspection] | None = None
