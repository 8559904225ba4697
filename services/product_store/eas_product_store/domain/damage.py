"""Damage: stored bytes that are no longer what they were, and files that nothing names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from eas_product_store.domain.version import Fingerprint


class Custody(Enum):
    """Where damaged bytes are."""

    PENDING = "pending"
    """Still in their place; they are being moved."""
    QUARANTINED = "quarantined"
    """In quarantine, to be looked at."""
    MISSING = "missing"
    """Nowhere: there was no file."""


@dataclass(frozen=True, kw_only=True)
class Damage:
    """One finding of damaged bytes. It stays after they have healed.

    `version_id` is the version whose reader found it, `versions` how many shared the bytes. `found_sha256` and
    `found_size` describe the bytes in quarantine.
    """

    damage_id: int
    version_id: int
    store_name: str
    expected: Fingerprint
    finding: str
    found_at: datetime
    versions: int
    custody: Custody
    found_sha256: str | None = None
    found_size: int | None = None
    healed_at: datetime | None = None

    @property
    def quarantine_name(self) -> str:
        """The name of the damaged bytes in quarantine."""
        return f"damage-{self.damage_id}-version-{self.version_id}"


@dataclass(frozen=True)
class StoredObject:
    """A file in its place in the archive."""

    store_name: str
    size: int
    modified_at: datetime
