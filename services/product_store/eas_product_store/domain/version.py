"""Versions: the immutable bytes that attempts made of products."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from eas.contracts.errors import VersionExistsError
from eas.contracts.metadata import Metadata
from eas_product_store.domain.product import Promise


@dataclass(frozen=True)
class Fingerprint:
    """What the bytes of a version are known by; digests in lower-case hexadecimal, size in bytes."""

    md5: str
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Deposit:
    """What an uploader says of the bytes that it brings."""

    promise: Promise
    attempt_id: int
    mime_type: str | None
    metadata: Metadata


@dataclass(frozen=True, kw_only=True)
class Version:
    """One immutable version of a product."""

    version_id: int
    product_id: int
    directory: str
    filename: str
    semantic_type: str
    mime_type: str
    attempt_id: int
    task_id: int
    job_id: int
    store_name: str
    fingerprint: Fingerprint
    created_at: datetime
    passed_qc: bool | None
    damaged: bool
    metadata: Metadata
    adopted_from: int | None = None
    pin: str | None = None
    deleted_at: datetime | None = None
    deletion: str | None = None
    purged_at: datetime | None = None


def find_adoption_fault(version: Version | None, sha256: str, semantic_type: str) -> str | None:
    """Say why a version cannot be adopted by an attempt that would have made the same bytes; None where it can.

    A version on which quality control has not spoken yet may be adopted: who accepted it may be still to be heard.
    """
    if version is None:
        return "there is no such version"
    if version.deleted_at is not None:
        return f"version {version.version_id} was removed"
    if version.damaged:
        return f"version {version.version_id} is damaged"
    if version.passed_qc is False:
        return f"version {version.version_id} did not pass quality control"
    if version.fingerprint.sha256 != sha256:
        return f"version {version.version_id} has SHA-256 {version.fingerprint.sha256}, not {sha256}"
    if version.semantic_type != semantic_type:
        return f"version {version.version_id} is a {version.semantic_type!r}, not a {semantic_type!r}"
    return None


def check_same_bytes(version: Version, fingerprint: Fingerprint) -> None:
    """Refuse other bytes for a version that exists.

    Raises
    ------
    VersionExistsError
        They differ.
    """
    if version.fingerprint.sha256 != fingerprint.sha256:
        raise VersionExistsError(
            f"attempt {version.attempt_id} has already stored version {version.version_id} of {version.filename!r} "
            f"with SHA-256 {version.fingerprint.sha256}; these bytes have {fingerprint.sha256}",
            where="body",
        )
