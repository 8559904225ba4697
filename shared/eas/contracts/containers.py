"""Wire models of worker containers: what they can run, what they ask for, and what they were given."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ResourcesView(BaseModel):
    """Resources of one worker."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    cpu: float = Field(ge=0, description="Processor cores.")
    gpu: int = Field(ge=0, le=1_000_000, description="Graphics processors.")
    memory_gb: float = Field(ge=0, description="Memory [GB]; as an assignment 0 is no limit.")


class ContainerView(BaseModel):
    """A kind of worker."""

    name: str
    requested: ResourcesView
    assigned: ResourcesView = Field(description="What it was given; at first what it asked for.")
    task_types: list[str]


class RegistryView(BaseModel):
    """All kinds of worker."""

    containers: list[ContainerView]
