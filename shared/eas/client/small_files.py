"""Small files that go to the product store together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from eas.contracts.deposits import MAX_DEPOSITS, MAX_DEPOSITS_BYTES, SmallDeposit
from eas.contracts.errors import InvalidInputError
from eas.contracts.metadata import Metadata
from eas.contracts.products import UploadParameters

#: What names and numbers of a deposit take at most [bytes].
_ROOM = 8192


@dataclass(frozen=True)
class SmallFile:
    """A file and what it is to be stored as."""

    path: Path
    parameters: UploadParameters
    metadata: Metadata = field(default_factory=dict)

    def read(self) -> SmallDeposit:
        """Read the file. Blocks.

        Raises
        ------
        InvalidInputError
            It cannot be described.
        OSError
            It cannot be read.
        """
        try:
            return SmallDeposit.make(self.path.read_bytes(), self.parameters, self.metadata)
        except ValidationError as error:
            raise InvalidInputError(f"the upload cannot be described: {error}", where="metadata") from error


def read_files(files: Sequence[SmallFile]) -> list[SmallDeposit]:
    """Read files. Blocks."""
    return [file.read() for file in files]


def split(deposits: Sequence[SmallDeposit]) -> Iterator[list[SmallDeposit]]:
    """Part deposits into requests that the store takes."""
    part: list[SmallDeposit] = []
    size = 0
    for deposit in deposits:
        longest = len(deposit.content) + len(json.dumps(deposit.metadata)) + _ROOM
        if part and (len(part) == MAX_DEPOSITS or size + longest > MAX_DEPOSITS_BYTES):
            yield part
            part, size = [], 0
        part.append(deposit)
        size += longest
    if part:
        yield part
