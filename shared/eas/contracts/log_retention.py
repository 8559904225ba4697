"""Wire models of the log service's retention: which records may go."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from eas.contracts.logs import Level


class RetentionRule(BaseModel):
    """Records of these levels go when they are so old."""

    model_config = ConfigDict(extra="forbid")

    max_level: Level = Field(description="This level and below: a number, or the name of a level.", examples=[10])
    older_than_days: float = Field(
        ge=0, le=36525, allow_inf_nan=False, description="By the record's own time.", examples=[7]
    )


class RetentionPolicy(BaseModel):
    """Which records may go. An empty one keeps everything."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"rules": [{"max_level": "debug", "older_than_days": 7}], "max_bytes": 50_000_000_000}]
        },
    )

    rules: list[RetentionRule] = Field(default_factory=list, max_length=32)
    max_bytes: int | None = Field(
        default=None,
        ge=0,
        le=2**63 - 1,
        description="How much the database may hold; beyond, the records that arrived first go, of all levels.",
    )


class RetentionReport(BaseModel):
    """What a run removed, or, as a dry run, would have."""

    dry_run: bool
    expired: dict[int, int] = Field(description="By rules of age, by level number.")
    over_size: int = Field(description="Beyond `max_bytes`; of a dry run an estimate.")
    used_bytes: int = Field(description="What the database holds afterwards, or, of a dry run, now.")
