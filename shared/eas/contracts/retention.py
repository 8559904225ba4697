"""Wire models of pins, removals, retention rules and quotas."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from eas.contracts.products import MAX_DIRECTORY_LENGTH, Directory, Identifier, SemanticType, VersionView

MAX_RULES = 100
MAX_RUNNING_JOBS = 10_000

RunningJobs = Annotated[
    list[Identifier],
    Field(
        max_length=MAX_RUNNING_JOBS,
        description="Jobs that run, or that running jobs read from: what was accepted of them stays, unless forced.",
        examples=[[3, 7]],
    ),
]
Force = Annotated[bool, Field(description="Remove also what running jobs may read; pinned versions stay.")]


class Reason(BaseModel):
    """Why something is done."""

    reason: str = Field(default="", max_length=1024, examples=["in the paper's figure 3"])


class RemovalRequest(Reason):
    """Which version is no longer wanted. `running_jobs` has to be said, so that nobody forgets them."""

    running_jobs: RunningJobs
    force: Force = False


class RetentionRuleView(BaseModel):
    """Versions that are no longer kept: those that meet all conditions; what is left out is no condition."""

    name: str = Field(min_length=1, max_length=256, examples=["rejected light curves"])
    directory: str | None = Field(
        default=None,
        max_length=MAX_DIRECTORY_LENGTH,
        description="Pattern of the whole directory, with `*`, `?` and `[a-z]`.",
        examples=["trials/*"],
    )
    semantic_type: SemanticType | None = None
    passed_qc: list[bool | None] | None = Field(
        default=None, max_length=3, description="With these verdicts; null means not judged.", examples=[[False, None]]
    )
    older_than_days: float | None = Field(default=None, ge=0, le=36_500, examples=[30])
    keep_newest: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="So many of each product stay, of those that meet the conditions but for the age.",
        examples=[3],
    )


class RetentionRequest(BaseModel):
    """Rules, in their order. `running_jobs` has to be said, so that nobody forgets them."""

    rules: list[RetentionRuleView] = Field(
        min_length=1,
        max_length=MAX_RULES,
        examples=[[{"name": "old trials", "directory": "trials/*", "older_than_days": 30, "keep_newest": 1}]],
    )
    running_jobs: RunningJobs
    force: Force = False


class RetentionFinding(BaseModel):
    """What one rule removes. Versions that share a file with others free nothing."""

    rule: str
    versions: int
    bytes: int
    spared_versions: int = Field(description="Pinned, or accepted ones of running jobs.")
    spared_bytes: int
    examples: list[VersionView] = Field(description="The first of them.")


class RetentionReport(BaseModel):
    """What each rule removes. In a plan each rule is looked at by itself."""

    findings: list[RetentionFinding]


class CollectionRequest(BaseModel):
    """When removed versions are purged."""

    grace_hours: float | None = Field(
        default=None, ge=0, le=1_000_000, description="Time of grace; else as the store is set up.", examples=[0]
    )


class CollectionReport(BaseModel):
    """What a garbage collection gave back."""

    versions: int
    bytes: int = Field(description="Their sizes together.")
    files: int = Field(description="How many files went; a file goes with the last version that needs it.")


class QuotaRequest(BaseModel):
    """How much a directory, and all below it, may hold."""

    directory: Directory
    max_bytes: int = Field(ge=0, le=2**63 - 1, examples=[1_000_000_000])


class QuotaView(BaseModel):
    """A quota and how much of it is used. A file that versions share counts for each of them."""

    directory: str
    max_bytes: int
    used_bytes: int


class QuotaList(BaseModel):
    """All quotas, by directory."""

    quotas: list[QuotaView]
