"""Which products and versions a caller wants to see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from eas.contracts.errors import InvalidInputError
from eas_product_store.domain.conditions import MetadataCondition
from eas_product_store.domain.product import Product
from eas_product_store.domain.version import Version

#: Each more makes the search of one name slower by a factor of its length.
MAX_STARS = 4


@dataclass(frozen=True, kw_only=True)
class ProductSelection:
    """Conditions that a product has to meet, all of them; None leaves one out.

    `glob` is matched with the whole filename, with case: ``*``, ``?`` and ``[a-z]``. `passed_qc` asks for at least one
    version with this verdict. `since` and `until` (not included) bound the time at which it was planned, and `metadata`
    is compared with what was planned.
    """

    directory: str | None = None
    glob: str | None = None
    semantic_type: str | None = None
    job_id: int | None = None
    passed_qc: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    metadata: tuple[MetadataCondition, ...] = ()


@dataclass(frozen=True, kw_only=True)
class VersionSelection:
    """Conditions that a version has to meet, all of them; None leaves one out.

    `since` and `until` (not included) bound the time at which it was registered.
    """

    directory: str | None = None
    glob: str | None = None
    semantic_type: str | None = None
    product_id: int | None = None
    attempt_id: int | None = None
    task_id: int | None = None
    job_id: int | None = None
    passed_qc: bool | None = None
    damaged: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    metadata: tuple[MetadataCondition, ...] = ()


@dataclass(frozen=True)
class ProductSummary:
    """A product, how many versions it has, and the newest accepted one, else the newest."""

    product: Product
    versions: int
    latest: Version | None


@dataclass(frozen=True)
class DirectoryCount:
    """A directory and how many products it holds."""

    directory: str
    products: int


def check_glob(glob: str | None, where: str) -> str | None:
    """Refuse a pattern that could take very long to match; return it unchanged.

    Raises
    ------
    InvalidInputError
        It has more than `MAX_STARS` stars.
    """
    if glob is not None and glob.count("*") > MAX_STARS:
        raise InvalidInputError(f"a pattern can have at most {MAX_STARS} stars", where=where)
    return glob
