"""Parameters that several operations share."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from shared.contracts.products import MAX_PAGE

_LARGEST = 2**63 - 1

After = Annotated[int, Query(ge=0, le=_LARGEST, description="The `next_after` of the page before.", examples=[0])]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Most items of a page.", examples=[100])]
ProductId = Annotated[int, Path(ge=0, le=_LARGEST, examples=[7])]
VersionId = Annotated[int, Path(ge=0, le=_LARGEST, examples=[42])]
OptionalId = Annotated[int | None, Query(ge=0, le=_LARGEST, examples=[3])]
PassedQc = Annotated[
    bool | None, Query(description="What quality control said of a version; a product needs one.", examples=[True])
]
