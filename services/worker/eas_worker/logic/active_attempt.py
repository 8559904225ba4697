"""An attempt that the worker holds, from the claim to the recorded report."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from eas.contracts.scheduler import ClaimedAttempt, LeasedAttempt
from eas_worker.domain.assignment import Assignment


class Stage(Enum):
    """How far an attempt has come in this worker."""

    FETCHING = auto()
    READY = auto()
    GIVEN = auto()
    CHECKING = auto()
    STORING = auto()
    ENDED = auto()


class Instruction(Enum):
    """What the scheduler has said of an attempt since it was claimed."""

    GO_ON = auto()
    CANCEL = auto()
    FORGET = auto()


@dataclass(eq=False, slots=True)
class ActiveAttempt:
    """One attempt.

    Parameters
    ----------
    claimed
        As the scheduler gave it.
    stage
        How far it has come.
    wish
        What the scheduler wants done with it.
    assignment
        As the child gets it; set when its inputs are in place.
    transfer
        Fetches its inputs or stores its outputs.
    child_pid
        The last child that got it; 0: none.
    estimate
        How long it should take, as assumed when a child got it [s].
    expected
        The same; infinity where nothing was known of its type.
    ready_since
        On the loop's clock [s].
    overdue
        It has run for as long as it may, and its child is being killed.
    """

    claimed: ClaimedAttempt
    stage: Stage = Stage.FETCHING
    wish: Instruction = Instruction.GO_ON
    assignment: Assignment | None = None
    transfer: asyncio.Task[None] | None = None
    child_pid: int = 0
    estimate: float = 0.0
    expected: float = math.inf
    ready_since: float = 0.0
    overdue: bool = False

    @property
    def attempt_id(self) -> int:
        """Its id."""
        return self.claimed.attempt_id

    def to_leased(self) -> LeasedAttempt:
        """Say of it what a heartbeat says."""
        after_run = self.stage in (Stage.CHECKING, Stage.STORING, Stage.ENDED)
        phase: Literal["running", "checking"] = "checking" if after_run else "running"
        return LeasedAttempt(attempt_id=self.attempt_id, lease_token=self.claimed.lease_token, phase=phase)
