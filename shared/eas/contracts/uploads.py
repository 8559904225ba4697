"""Wire models of uploads in pieces."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from eas.contracts.metadata import Metadata
from eas.contracts.products import UploadParameters

#: Header that says where a piece begins, and in answers how many bytes are there.
OFFSET_HEADER = "Upload-Offset"
#: Header of answers: how many bytes were announced.
LENGTH_HEADER = "Upload-Length"

UploadSize = Annotated[int, Field(ge=0, le=2**63 - 1, examples=[1_073_741_824])]


class UploadRequest(UploadParameters):
    """What an upload in pieces will be; size and digests are of all its bytes."""

    metadata: Metadata = Field(default_factory=dict, examples=[{"planet_radius": 0.1}])
    size: UploadSize | None = Field(default=None, description="How many bytes will come.")
    md5: str | None = Field(default=None, pattern="^[0-9a-f]{32}$", examples=["5e" * 16])
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$", examples=["a3" * 32])


class UploadView(BaseModel):
    """An upload in pieces."""

    upload_id: str
    offset: int = Field(description="How many bytes are there; the next piece begins here.")
    size: int | None = Field(description="How many bytes were announced.")
    expires_at: datetime = Field(description="When it is forgotten, at the earliest, if no more bytes come.")
    version_id: int | None = Field(default=None, description="The version that it became.")
