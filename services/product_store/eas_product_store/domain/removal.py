"""Which versions may be removed, by whom and why."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from eas.contracts.errors import ConflictError, GoneError
from eas_product_store.domain.version import Version


@dataclass(frozen=True, kw_only=True)
class Protection:
    """What stays whatever is asked for.

    Parameters
    ----------
    running_jobs
        Jobs that may still read what quality control accepted of them.
    is_forced
        Whether their versions may be removed all the same; pinned ones never are.
    """

    running_jobs: Collection[int] = ()
    is_forced: bool = False

    @property
    def spared_jobs(self) -> list[int]:
        """The jobs whose accepted versions stay."""
        return [] if self.is_forced else sorted(self.running_jobs)


@dataclass(frozen=True, kw_only=True)
class RetentionRule:
    """Versions that are no longer kept: those that meet all conditions; None leaves one out.

    Parameters
    ----------
    directory
        A pattern with ``*``, ``?`` and ``[a-z]`` for the whole directory.
    judged
        Versions with these verdicts: True, False, or None for those that were not judged.
    older_than
        Their age.
    keep_newest
        So many of each product stay, counted among the versions that meet the other conditions but for the age.
    """

    name: str
    directory: str | None = None
    semantic_type: str | None = None
    judged: Sequence[bool | None] | None = None
    older_than: timedelta | None = None
    keep_newest: int = 0


@dataclass(frozen=True)
class Tally:
    """How many versions, of how many bytes together."""

    versions: int = 0
    size: int = 0


@dataclass(frozen=True)
class Finding:
    """What a retention rule says: versions to remove, and those that it would remove were they not protected."""

    rule: RetentionRule
    removed: Tally
    spared: Tally
    examples: list[Version] = field(default_factory=list)


def check_removable(version: Version, protection: Protection) -> None:
    """Refuse to remove what is pinned, or what a running job may read.

    Raises
    ------
    ConflictError
        It stays.
    """
    if version.pin is not None:
        raise ConflictError(f"version {version.version_id} is pinned: {version.pin}", where="path.version_id")
    if version.passed_qc and version.job_id in protection.spared_jobs:
        raise ConflictError(
            f"version {version.version_id} is an accepted one of job {version.job_id}, which runs; it can be forced",
            where="path.version_id",
        )


def check_not_purged(version: Version) -> None:
    """Refuse what only the tombstone is left of. Raises GoneError."""
    if version.purged_at is not None:
        raise GoneError(f"version {version.version_id} was removed: {version.deletion}", where="path.version_id")


def describe_reason(author: str, reason: str) -> str:
    """Say who did something and why."""
    return f"{author}: {reason}" if reason else author
