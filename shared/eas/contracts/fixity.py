"""Wire models of damage that was found, and of files that nothing names."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

MAX_STORE_NAME_LENGTH = 128


class DamageView(BaseModel):
    """One finding of damaged bytes; it stays after they have healed."""

    damage_id: int = Field(examples=[1])
    version_id: int = Field(description="The version whose reader found it.", examples=[42])
    versions: int = Field(description="How many versions shared the bytes.", examples=[1])
    found_at: datetime
    finding: str = Field(examples=["its bytes have the SHA-256 d2a8…"])
    expected_sha256: str
    expected_size: int = Field(description="[bytes]", examples=[2880])
    found_sha256: str | None = Field(default=None, description="Of the bytes in quarantine.")
    found_size: int | None = Field(default=None, description="Of the bytes in quarantine.", examples=[2880])
    custody: Literal["pending", "quarantined", "missing"] = Field(
        description="Where the damaged bytes are: still being moved, in quarantine, or nowhere."
    )
    quarantined_as: str | None = Field(
        default=None,
        description="Their name in the folder `quarantine` of the archive.",
        examples=["damage-1-version-42"],
    )
    healed_at: datetime | None = Field(default=None, description="When the same bytes were stored again, whole.")


class DamagePage(BaseModel):
    """Findings by id. `next_after` is the `after` of the following page."""

    items: list[DamageView]
    next_after: int | None = None


class OrphanView(BaseModel):
    """A file in the archive that nothing in the catalogue needs."""

    name: str = Field(examples=["4c1f0a6d2b3e4f5a8b7c6d5e4f3a2b1c"])
    size: int = Field(description="[bytes]", examples=[2880])
    modified_at: datetime


class OrphanRequest(BaseModel):
    """Which part of the archive is looked at, and what happens with what nothing needs."""

    after: str = Field(
        default="", max_length=MAX_STORE_NAME_LENGTH, description="The `next_after` of the part before.", examples=[""]
    )
    limit: int = Field(default=10_000, ge=1, le=10_000, description="Most files that are looked at.")
    older_than_hours: float | None = Field(
        default=None,
        ge=0,
        le=876_000,
        description="Only files that have been there for so long; else as long as an upload in pieces may take.",
        examples=[24],
    )
    remove: bool = Field(default=False, description="Remove what nothing needs.")


class OrphanReport(BaseModel):
    """What a part of the archive holds that nothing needs."""

    checked: int = Field(description="How many files were looked at.", examples=[10_000])
    orphans: list[OrphanView]
    removed: bool = Field(default=False, description="Whether they were removed.")
    next_after: str | None = None
