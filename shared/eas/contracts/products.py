"""Wire models of the product store: products, versions and quality-control verdicts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field, RootModel

from eas.contracts.metadata import Metadata
from eas.contracts.texts import Author, Reason

#: The queue for what the scheduler tells the product store, after the suite's prefix. A message is a `ProductMessage`.
PRODUCT_QUEUE = "products"

MAX_DIRECTORY_LENGTH = 512
MAX_FILENAME_LENGTH = 255
MAX_PLANNED_PRODUCTS = 10_000
MAX_VERDICTS = 10_000
MAX_PAGE = 1000
MAX_LOOKUP = 1000

#: Header of an upload and a download that carries the version's metadata as one ASCII JSON object.
METADATA_HEADER = "EAS-Metadata"
#: Header of a download that says which version it is.
VERSION_HEADER = "EAS-Version-Id"

#: An id that another service or this one has given; 63 bits.
Identifier = Annotated[int, Field(ge=0, le=2**63 - 1, examples=[42])]
Directory = Annotated[str, Field(max_length=MAX_DIRECTORY_LENGTH, examples=["hot_jupiters"])]
Filename = Annotated[str, Field(max_length=MAX_FILENAME_LENGTH, min_length=1, examples=["lightcurve_000.lcb"])]
SemanticType = Annotated[
    str, Field(max_length=256, min_length=1, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["lightcurve"])
]
MimeType = Annotated[
    str,
    Field(
        max_length=128,
        pattern=r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(; ?[A-Za-z0-9_-]+=[A-Za-z0-9_.+-]+)*$",
        examples=["text/html; charset=utf-8"],
    ),
]


class PlannedProduct(BaseModel):
    """A promise that a task will write this file."""

    directory: Directory
    filename: Filename
    semantic_type: SemanticType
    mime_type: MimeType | None = None
    generator_task_id: Identifier
    job_id: Identifier
    planned_at: AwareDatetime | None = Field(default=None, examples=["2026-01-31T12:00:00Z"])
    metadata: Metadata = Field(default_factory=dict, examples=[{"planet_radius": 0.1}])
    rerun: bool = Field(default=False, description="Take the name over from the task that holds it.")


class PlanRequest(BaseModel):
    """Products to register. Registering the same promise again changes nothing."""

    products: list[PlannedProduct] = Field(
        max_length=MAX_PLANNED_PRODUCTS,
        examples=[
            [
                {
                    "directory": "hot_jupiters",
                    "filename": "lightcurve_000.lcb",
                    "semantic_type": "lightcurve",
                    "generator_task_id": 3,
                    "job_id": 1,
                    "planned_at": "2026-01-31T12:00:00Z",
                    "metadata": {"planet_radius": 0.1},
                }
            ]
        ],
    )


class PlanResponse(BaseModel):
    """How many products are new; the others were registered before."""

    registered: int


class UploadParameters(BaseModel):
    """What an upload says of its bytes, in the query of its URL."""

    directory: Directory
    filename: Filename
    semantic_type: SemanticType
    attempt_id: Identifier
    task_id: Identifier
    job_id: Identifier
    mime_type: MimeType | None = Field(default=None, examples=["text/csv"])
    rerun: bool = Field(
        default=False, description="The job makes new versions of products that others promised.", examples=[False]
    )


class Adoption(BaseModel):
    """An attempt takes over a version that an equal attempt made: the bytes are not stored again."""

    version_id: Identifier = Field(description="The version that is adopted.")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="What its bytes have to be.", examples=["a3" * 32])
    directory: Directory
    filename: Filename
    semantic_type: SemanticType
    attempt_id: Identifier
    task_id: Identifier
    job_id: Identifier
    rerun: bool = Field(default=False, description="The job makes new versions of products that others promised.")


class AdoptionRequest(BaseModel):
    """Versions to adopt, each by itself. Adopting again what was adopted gives the same answer."""

    adoptions: list[Adoption] = Field(
        max_length=MAX_VERDICTS,
        examples=[
            [
                {
                    "version_id": 7,
                    "sha256": "a3" * 32,
                    "directory": "hot_jupiters_again",
                    "filename": "lightcurve_000.lcb",
                    "semantic_type": "lightcurve",
                    "attempt_id": 99,
                    "task_id": 55,
                    "job_id": 2,
                }
            ]
        ],
    )


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
    passed_qc: bool | None = Field(default=None, description="Null until quality control has spoken.")
    damaged: bool = Field(default=False, description="The stored bytes no longer match their digest; never served.")
    adopted_from: int | None = Field(default=None, description="The version whose bytes an equal attempt took over.")
    pin: str | None = Field(default=None, description="Who keeps it, and why; it cannot be removed.")
    deleted_at: datetime | None = Field(default=None, description="When it was removed; no longer found by its name.")
    deletion: str | None = Field(default=None, description="Who removed it, and why.")
    purged: bool = Field(default=False, description="Only this row is left of it; its bytes are gone.")
    metadata: Metadata = Field(default_factory=dict)


class AdoptionAnswer(BaseModel):
    """The adopting attempt's version, or why there is none."""

    version: VersionView | None = None
    message: str | None = Field(default=None, description="Why the version cannot be adopted.")


class AdoptionResponse(BaseModel):
    """One answer for each adoption, in their order."""

    answers: list[AdoptionAnswer]


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
    metadata: Metadata = Field(default_factory=dict)
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


class FixityReport(BaseModel):
    """What a part of a check found. `next_after` is the `after` of the following part."""

    checked: int
    size: int = Field(description="[bytes]")
    damaged: list[int] = Field(description="Versions whose damage was found now.")
    healed: list[int] = Field(
        default_factory=list,
        description="Versions that were damaged, and whose bytes are back in their place and whole.",
    )
    next_after: int | None = None


class LookupRequest(BaseModel):
    """Versions to look up."""

    version_ids: list[Identifier] = Field(max_length=MAX_LOOKUP, examples=[[42, 43]])


class LookupResponse(BaseModel):
    """The versions that exist, by id."""

    versions: list[VersionView]


class DirectoryView(BaseModel):
    """A directory and how many products it holds."""

    directory: str
    products: int


class DirectoryPage(BaseModel):
    """Directories by name. `next_after` is the `after` of the following page."""

    items: list[DirectoryView]
    next_after: str | None = None


class Verdict(BaseModel):
    """Quality control's word on the versions that an attempt made (of one semantic type, or all where that is null).

    Every verdict is kept. Of several on one version the one with the latest `decided_at` holds.
    """

    attempt_id: Identifier
    semantic_type: SemanticType | None = None
    version_id: Identifier | None = Field(default=None, description="Only on this version of the attempt.")
    passed: bool
    reason: Reason = Field(default="", examples=["the period is outside the tolerance"])
    author: Author = "scheduler"
    decided_at: AwareDatetime | None = Field(default=None, description="Now, where it is missing.")


class VerdictRequest(BaseModel):
    """Verdicts to record. The same verdict sent again changes nothing."""

    verdicts: list[Verdict] = Field(
        max_length=MAX_VERDICTS,
        examples=[[{"attempt_id": 42, "semantic_type": "lightcurve", "passed": True, "reason": "", "author": "ada"}]],
    )


class VerdictResponse(BaseModel):
    """How many versions are now judged otherwise than before."""

    changed: int


class PlanMessage(BaseModel):
    """A plan on its way through a broker."""

    kind: Literal["plan"] = "plan"
    payload: PlanRequest


class VerdictMessage(BaseModel):
    """Verdicts on their way through a broker."""

    kind: Literal["verdicts"] = "verdicts"
    payload: VerdictRequest


class ProductMessage(RootModel[Annotated[PlanMessage | VerdictMessage, Field(discriminator="kind")]]):
    """What the scheduler tells the product store. Messages may come twice, late, and in any order."""
