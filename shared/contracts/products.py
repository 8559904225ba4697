"""Wire models of the product store: products, versions and quality-control verdicts."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from shared.contracts.metadata import Metadata

MAX_DIRECTORY_LENGTH = 512
MAX_FILENAME_LENGTH = 256

#: Header of an upload and a download that carries the version's metadata as one ASCII JSON object.
METADATA_HEADER = "EAS-Metadata"


class PlannedProduct(BaseModel):
    """A promise that a task will write this file."""

    directory: str = Field(max_length=MAX_DIRECTORY_LENGTH)
    filename: str = Field(max_length=MAX_FILENAME_LENGTH, min_length=1)
    semantic_type: str = Field(max_length=256, min_length=1)
    mime_type: str | None = Field(default=None, max_length=64)
    generator_task_id: int
    job_id: int
    planned_at: datetime | None = None
    metadata: Metadata = Field(default_factory=dict)


class PlanRequest(BaseModel):
    """Products to register. Registering the same promise again changes nothing."""

    products: list[PlannedProduct]


class VersionView(BaseModel):
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
    md5: str
    sha256: str
    size: int
    created_at: datetime
    passed_qc: bool | None = None
    metadata: Metadata = Field(default_factory=dict)


class ProductView(BaseModel):
    """A product: a name (directory, filename) with its versions counted."""

    product_id: int
    directory: str
    filename: str
    semantic_type: str
    mime_type: str | None
    generator_task_id: int
    job_id: int
    planned_at: datetime
    versions: int = 0
    latest: VersionView | None = Field(default=None, description="The newest accepted version, else the newest.")


class ProductPage(BaseModel):
    """Products by id. `next_after` is the `after` of the following page."""

    items: list[ProductView]
    next_after: int | None = None


class VersionPage(BaseModel):
    """Versions by id. `next_after` is the `after` of the following page."""

    items: list[VersionView]
    next_after: int | None = None


class Verdict(BaseModel):
    """Quality control's word on the version that an attempt made of one product (on all of them where slot is None)."""

    attempt_id: int
    semantic_type: str | None = None
    passed: bool
    reason: str = ""
    author: str = Field(default="scheduler", max_length=256)
    decided_at: datetime | None = None


class VerdictRequest(BaseModel):
    """Verdicts to record. The same verdict sent again changes nothing."""

    verdicts: list[Verdict]


class VerdictResponse(BaseModel):
    """How many versions got a verdict that they did not have before."""

    changed: int
