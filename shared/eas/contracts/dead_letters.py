"""Wire models of dead letters: messages that could not be delivered, or not be taken in, for good."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from eas.contracts.diagnostics import FlatTable, TableView


class DeadLetter(BaseModel):
    """One message that was set aside, so that those behind it go on."""

    letter_id: str = Field(examples=["d17", "b3f9a0c1d2e4f"])
    place: Literal["database", "broker"] = Field(description="Whether the scheduler's database or the broker keeps it.")
    kind: str = Field(description="`plan` or `verdicts`; of the broker's the queue that it was in.")
    subject: str = Field(description="What it is about.")
    reason: str = Field(description="Why it could not be delivered or taken in.")
    created_at: datetime | None = None
    died_at: datetime | None = None


class DeadLetterContent(DeadLetter):
    """A dead letter with all that it says."""

    content: Any = Field(description="JSON as it is; anything else as text.")


class DeadLetterTable(TableView):
    """Dead letters, oldest first."""

    items: list[DeadLetter]
    missing: str | None = Field(default=None, description="Why those of one place are not among them.")

    def flatten(self) -> FlatTable:
        """Make one table of it."""
        columns = list(DeadLetter.model_fields)
        return FlatTable(columns, [[getattr(item, name) for name in columns] for item in self.items])


class DeadLetterChoice(BaseModel):
    """Which dead letters something is done with."""

    model_config = ConfigDict(extra="forbid")

    letter_ids: list[str] | None = Field(
        default=None, max_length=10_000, description="Null: all that there are.", examples=[["d17"]]
    )


class DeadLetterResult(BaseModel):
    """What became of dead letters."""

    changed: int = Field(description="How many were sent again, or discarded; those that are not there do not count.")
