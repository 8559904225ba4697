"""Several schedulers on one database."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class LeadershipView(BaseModel):
    """Which of the schedulers leads."""

    holder: str | None = Field(default=None, description="Its name; none has led yet where there is none.")
    fence: int = Field(default=0, description="Grows whenever another one begins to lead.")
    expires_at: datetime | None = Field(default=None, description="Until when it leads unless it says so again.")
    leads: bool = Field(description="Whether the scheduler that answers is the one.")
