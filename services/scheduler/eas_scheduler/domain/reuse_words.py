"""What came of looking for an equal attempt, in words."""

from __future__ import annotations

from eas.contracts.reuse import Difference, FingerprintPart, ReuseDecision, ReuseView, SourceAttempt

_NAMES = {
    FingerprintPart.VERSION: "the version of its task type",
    FingerprintPart.SETTINGS: "settings",
    FingerprintPart.SEED: "the seed",
    FingerprintPart.METADATA: "the metadata that it inherits",
    FingerprintPart.REQUESTED_METADATA: "the metadata that it asks for",
    FingerprintPart.INPUTS: "inputs",
    FingerprintPart.OUTPUTS: "the outputs that it is to make",
}


def describe_reuse(found: ReuseView) -> str:
    """Say in one sentence what was adopted, or why nothing was."""
    source = "" if found.source is None else name_source(found.source)
    match found.decision:
        case ReuseDecision.ADOPTED:
            return f"It was adopted from {source}, which is equal to it."
        case ReuseDecision.NO_CANDIDATE:
            return "It adopted nothing: no accepted attempt is like it."
        case ReuseDecision.DIFFERENT:
            differences = ", ".join(describe_difference(one) for one in found.differences)
            return f"It adopted nothing: {source} is nearest to it, and differs in {differences}."
        case ReuseDecision.UNUSABLE:
            return f"It adopted nothing: {source} is equal to it, but {found.message}."
        case ReuseDecision.NOT_REUSABLE:
            return f"It adopted nothing: {found.message}."


def name_source(source: SourceAttempt) -> str:
    """Name an attempt."""
    return f"attempt {source.attempt_id} (task {source.task_id} of job {source.job_id})"


def describe_difference(difference: Difference) -> str:
    """Name what differs."""
    keys = f" ({', '.join(difference.keys)})" if difference.keys else ""
    return _NAMES[difference.part] + keys
