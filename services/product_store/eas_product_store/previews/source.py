"""The file that is looked at."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

from eas_product_store.previews.errors import UnreadableError

GZIP_MAGIC = b"\x1f\x8b"
HEAD_BYTES = 65536

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Source:
    """A file, or the beginning of one.

    Parameters
    ----------
    path
        Where it is.
    mime_type
        What it is said to be.
    complete
        Whether it is the whole file.
    unpacked
        Whether it was gzipped.
    """

    path: Path
    mime_type: str
    complete: bool = True
    unpacked: bool = False

    def read_head(self) -> bytes:
        """Read the first part."""
        with self.path.open("rb") as file:
            return file.read(HEAD_BYTES)


def unpack(source: Source, limit: int) -> Source:
    """Unpack a gzipped file, beside it; of more than `limit` bytes only the beginning.

    Raises
    ------
    UnreadableError
        It is damaged or cut off.
    """
    if not source.read_head().startswith(GZIP_MAGIC):
        return source
    target = source.path.with_name("unpacked")
    complete = source.complete
    try:
        with gzip.open(source.path) as packed, target.open("wb") as plain:
            left = limit
            while left and (block := packed.read(min(_BLOCK, left))):
                plain.write(block)
                left -= len(block)
            complete = complete and not packed.read(1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        if source.complete or not isinstance(error, EOFError):
            raise UnreadableError(f"a broken gzip file: {error}") from error
    return replace(source, path=target, complete=complete, unpacked=True)
