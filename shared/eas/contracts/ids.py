"""What services tell each other of ids, so that no id is given twice after one of them was restored."""

from __future__ import annotations

from pydantic import BaseModel, Field

from eas.contracts.values import Natural

#: Ids from here on are not taken for the scheduler's own. A mistyped id must not raise all others.
HIGHEST_ID = 2**52


class KnownIds(BaseModel):
    """The highest ids of the scheduler that a service has seen; 0 where it has seen none."""

    job: int = Field(default=0, ge=0)
    task: int = Field(default=0, ge=0)
    attempt: int = Field(default=0, ge=0)

    def combine(self, other: KnownIds) -> KnownIds:
        """Take the higher one of each."""
        return KnownIds(
            job=max(self.job, other.job), task=max(self.task, other.task), attempt=max(self.attempt, other.attempt)
        )


class LostTasks(BaseModel):
    """Ids of tasks that the scheduler does not know any more, after it was restored; none is ever given again."""

    first: Natural = Field(ge=1)
    end: Natural = Field(description="The first id behind them.", ge=1)


class IdNotice(BaseModel):
    """What the scheduler tells the product store."""

    version: Natural = Field(
        description="The highest version that the scheduler has heard of; 0 for none.", examples=[4711]
    )
    lost_tasks: LostTasks | None = Field(default=None, description="Tasks whose promises count no longer.")


class ServiceInstance(BaseModel):
    """Which process answers: another one after every start."""

    instance: str = Field(examples=["6f1c0e9a3b5d4c77"])


class IdAnswer(KnownIds, ServiceInstance):
    """What the product store has seen, and which process says so."""
