"""Decides what a task can adopt, and says what it differs in from what it cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eas.contracts.metadata import Metadata
from eas.contracts.products import Adoption, VersionView
from eas.contracts.reuse import Difference, FingerprintPart, ReuseDecision, ReuseView, SourceAttempt
from eas.contracts.scheduler import OutputVersion
from eas_scheduler.domain.fingerprint import find_differing_keys, find_differing_parts
from eas_scheduler.domain.prepared import PreparedAttempt


@dataclass(frozen=True, slots=True)
class AcceptedAttempt:
    """An accepted attempt with all that another would adopt of it, or is compared with.

    `fingerprint` and `parts` are None where nothing was recorded.
    """

    attempt_id: int
    task_id: int
    job_id: int
    fingerprint: str | None
    parts: str | None
    settings: Mapping[str, Any]
    metadata: Metadata
    inputs: Mapping[str, Any]
    outputs: Sequence[OutputVersion]

    @property
    def source(self) -> SourceAttempt:
        """Which attempt it is."""
        return SourceAttempt(attempt_id=self.attempt_id, task_id=self.task_id, job_id=self.job_id)


def compare(candidate: PreparedAttempt, nearest: AcceptedAttempt | None) -> ReuseView:
    """Say why a candidate adopts nothing, from the nearest attempt that was accepted."""
    if candidate.fingerprint is None:
        words = candidate.fault or "it has no settings, inputs or outputs"
        return ReuseView(decision=ReuseDecision.NOT_REUSABLE, message=words)
    if nearest is None or nearest.parts is None:
        return ReuseView(decision=ReuseDecision.NO_CANDIDATE)
    differences = []
    for part in find_differing_parts(candidate.fingerprint.parts, nearest.parts):
        keys: list[str] = []
        if part is FingerprintPart.SETTINGS:
            keys = find_differing_keys(candidate.settings, nearest.settings)
        elif part is FingerprintPart.INPUTS:
            keys = find_differing_keys(_digests(candidate.inputs), _digests(nearest.inputs))
        differences.append(Difference(part=part, keys=keys))
    return ReuseView(decision=ReuseDecision.DIFFERENT, source=nearest.source, differences=differences)


def _digests(inputs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {slot: version.get("sha256") for slot, version in inputs.items()}


def plan_adoptions(candidate: PreparedAttempt, source: AcceptedAttempt) -> list[Adoption]:
    """List what the product store must do before a candidate can have the outputs of an equal attempt."""
    made = {output.slot: output for output in source.outputs}
    return [
        Adoption(
            version_id=made[promise.slot].version_id,
            sha256=made[promise.slot].sha256,
            directory=promise.directory,
            filename=promise.filename,
            semantic_type=promise.slot,
            attempt_id=candidate.attempt.attempt_id,
            task_id=candidate.task.task_id,
            job_id=candidate.task.job_id,
            rerun=candidate.task.rerun,
        )
        for promise in candidate.outputs
    ]


def describe_adopted(adoption: Adoption, version: VersionView) -> OutputVersion:
    """Describe an adopted version as an attempt's report would."""
    return OutputVersion(
        slot=adoption.semantic_type,
        version_id=version.version_id,
        directory=version.directory,
        filename=version.filename,
        md5=version.md5,
        sha256=version.sha256,
        size=version.size,
        mime_type=version.mime_type,
        metadata=version.metadata,
        passed_qc=True,
        qc_reason=f"adopted from version {adoption.version_id}",
    )
