"""Parameters that several operations share."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from pydantic import AwareDatetime, Field

from eas.contracts.products import MAX_DIRECTORY_LENGTH, MAX_FILENAME_LENGTH, MAX_PAGE
from eas_product_store.domain.conditions import MAX_CONDITION_LENGTH

_LARGEST = 2**63 - 1

After = Annotated[int, Query(ge=0, le=_LARGEST, description="The `next_after` of the page before.", examples=[0])]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Most items of a page.", examples=[100])]
ProductId = Annotated[int, Path(ge=0, le=_LARGEST, examples=[7])]
VersionId = Annotated[int, Path(ge=0, le=_LARGEST, examples=[42])]
OptionalId = Annotated[int | None, Query(ge=0, le=_LARGEST, examples=[3])]
PassedQc = Annotated[
    bool | None, Query(description="What quality control said of a version; a product needs one.", examples=[True])
]
DirectoryFilter = Annotated[
    str | None, Query(max_length=MAX_DIRECTORY_LENGTH, description="Exactly this one.", examples=["hot_jupiters"])
]
GlobFilter = Annotated[
    str | None,
    Query(
        alias="glob",
        max_length=MAX_FILENAME_LENGTH,
        description="The whole filename, with `*`, `?` and `[a-z]`; case counts.",
        examples=["lightcurve_*.lcb"],
    ),
]
SemanticTypeFilter = Annotated[str | None, Query(max_length=256, examples=["lightcurve"])]
Since = Annotated[AwareDatetime | None, Query(description="From this time on.", examples=["2026-01-31T12:00:00Z"])]
Until = Annotated[AwareDatetime | None, Query(description="Before this time.", examples=["2026-02-01T00:00:00Z"])]
Where = Annotated[
    list[Annotated[str, Field(max_length=MAX_CONDITION_LENGTH)]] | None,
    Query(
        description=(
            "Comparisons of metadata, all of which hold: `metadata.period > 3`, `metadata.star = 'HD 1'`, "
            "`metadata.rms exists`, `metadata.rms missing`; `metadata.a.b` looks into an object. "
            "Numbers are compared with numbers only, texts with texts."
        ),
        examples=[["metadata.period > 3"]],
    ),
]
