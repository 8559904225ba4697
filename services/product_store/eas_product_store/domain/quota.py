"""How much directories may hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eas.contracts.errors import QuotaExceededError


@dataclass(frozen=True)
class Quota:
    """How many bytes the versions in a directory, and in all below it, may have together, and how many they have."""

    directory: str
    max_bytes: int
    used_bytes: int


def list_folders(directory: str) -> list[str]:
    """List a directory and those that it is in: ``a/b`` gives ``a/b`` and ``a``."""
    parts = directory.split("/")
    return ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]


def check_quotas(quotas: Sequence[Quota], size: int) -> None:
    """Refuse bytes for which there is no room.

    Raises
    ------
    QuotaExceededError
        One of the quotas would be exceeded.
    """
    for quota in quotas:
        if quota.used_bytes + size > quota.max_bytes:
            raise QuotaExceededError(
                f"directory {quota.directory!r} holds {quota.used_bytes} of at most {quota.max_bytes} bytes; "
                f"there is no room for {size}",
                where="query.directory",
            )
