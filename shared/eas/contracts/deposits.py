"""Wire models of small versions that are stored together."""

from __future__ import annotations

import base64
import binascii
import hashlib

from pydantic import BaseModel, Field

from eas.contracts.errors import InvalidInputError, Problem
from eas.contracts.metadata import Metadata
from eas.contracts.products import UploadParameters, VersionView

#: Most versions of one request.
MAX_DEPOSITS = 256
#: Longest body of one request [bytes].
MAX_DEPOSITS_BYTES = 16 << 20
#: Longer files are better sent as they are [bytes].
SMALL_FILE = 1 << 18


class SmallDeposit(UploadParameters):
    """A version with its bytes."""

    metadata: Metadata = Field(default_factory=dict, examples=[{"planet_radius": 0.1}])
    content: str = Field(description="The bytes in base64 (RFC 4648).", examples=["dGltZSBmbHV4Cg=="])
    md5: str | None = Field(default=None, pattern="^[0-9a-f]{32}$", examples=["c665160795b4acccd961cd95f9994eb1"])
    sha256: str | None = Field(
        default=None,
        pattern="^[0-9a-f]{64}$",
        examples=["0d47fe8a23265e2bb9bdbd7ba04815d9e04b7d1bf6c9fe822f53b297fddf1862"],
    )

    @classmethod
    def make(cls, content: bytes, parameters: UploadParameters, metadata: Metadata) -> SmallDeposit:
        """Make one of bytes, with their SHA-256."""
        return cls(
            **parameters.model_dump(),
            metadata=metadata,
            content=base64.b64encode(content).decode("ascii"),
            sha256=hashlib.sha256(content).hexdigest(),
        )

    def decode(self) -> bytes:
        """Read the bytes. Raises InvalidInputError."""
        try:
            return binascii.a2b_base64(self.content, strict_mode=True)
        except ValueError as error:
            raise InvalidInputError(f"expected base64: {error}", where="content") from error


class DepositRequest(BaseModel):
    """Small versions to store, each by itself. What was stored before gives the same answer again."""

    deposits: list[SmallDeposit] = Field(
        max_length=MAX_DEPOSITS,
        examples=[
            [
                {
                    "directory": "hot_jupiters",
                    "filename": "lightcurve_000.txt",
                    "semantic_type": "lightcurve",
                    "attempt_id": 42,
                    "task_id": 3,
                    "job_id": 1,
                    "metadata": {"planet_radius": 0.1},
                    "content": "dGltZSBmbHV4Cg==",
                }
            ]
        ],
    )


class DepositAnswer(BaseModel):
    """The version, or why there is none."""

    version: VersionView | None = None
    is_new: bool = Field(default=False, description="False where the attempt had stored the same bytes before.")
    error: Problem | None = None


class DepositResponse(BaseModel):
    """One answer for each deposit, in their order."""

    answers: list[DepositAnswer]
