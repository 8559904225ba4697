"""Uploads in pieces, which go on after a connection or the store itself broke off."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from eas.contracts.digests import Digests
from eas.contracts.errors import ConflictError, RangeError, TooLargeError
from eas_product_store.domain.version import Deposit


class OffsetError(RangeError):
    """Bytes were brought for another place than the end of those that are there; `offset` is the end."""

    def __init__(self, given: int, offset: int) -> None:
        super().__init__(
            f"the upload has {offset} bytes, so it goes on at {offset}, not at {given}", where="header.Upload-Offset"
        )
        self.offset = offset


@dataclass(frozen=True)
class PartialState:
    """How many bytes of an upload are on the disk, and when the last came (None: none ever)."""

    size: int
    changed_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Upload:
    """An upload in pieces.

    Parameters
    ----------
    size
        How many bytes were announced, if any number was.
    digests
        What was announced of all bytes.
    version_id
        The version that it became.
    """

    upload_id: str
    deposit: Deposit
    size: int | None
    digests: Digests
    touched_at: datetime
    version_id: int | None = None

    def check_append(self, offset: int, present: int) -> None:
        """Refuse bytes for another place than the end.

        Raises
        ------
        OffsetError
            They would leave a gap, or write what is there again.
        ConflictError
            The upload is a version already.
        """
        if self.version_id is not None:
            raise ConflictError(f"upload {self.upload_id} is version {self.version_id} already", where="path.upload_id")
        if offset != present:
            raise OffsetError(offset, present)

    def check_size(self, size: int) -> None:
        """Refuse more bytes than were announced. Raises TooLargeError."""
        if self.size is not None and size > self.size:
            raise TooLargeError(f"the upload was announced with {self.size} bytes, not {size}", where="body")

    def check_complete(self, size: int) -> None:
        """Refuse to make a version of fewer bytes than were announced. Raises ConflictError."""
        if self.size is not None and size != self.size:
            raise ConflictError(f"the upload has {size} of {self.size} bytes", where="path.upload_id")
