"""Attempts with all that they depend on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eas_scheduler.domain.attempt import QueuedAttempt, TaskToRun
from eas_scheduler.domain.fingerprint import Fingerprint
from eas_scheduler.domain.task import Promise


@dataclass(frozen=True, slots=True)
class PreparedAttempt:
    """An attempt whose settings were evaluated and whose input versions were found.

    Parameters
    ----------
    settings
        As evaluated.
    inputs
        Slot to version, as `OutputVersion` describes it.
    outputs
        What its task promises.
    fingerprint
        None where it has no settings, inputs or outputs, or where `fault` says what is wrong with its settings.
    """

    attempt: QueuedAttempt
    task: TaskToRun
    settings: dict[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    outputs: Sequence[Promise] = ()
    fingerprint: Fingerprint | None = None
    fault: str | None = None
