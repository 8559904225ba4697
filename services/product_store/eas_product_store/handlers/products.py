"""Products: plan them, find them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from eas.contracts.products import (
    MAX_DIRECTORY_LENGTH,
    DirectoryPage,
    PlanRequest,
    PlanResponse,
    ProductPage,
    ProductView,
    VersionPage,
)
from eas.http.auth import AccessScope, require
from eas_product_store.domain.conditions import read_conditions
from eas_product_store.domain.selection import ProductSelection, VersionSelection, check_glob
from eas_product_store.handlers.dependencies import Store
from eas_product_store.handlers.parameters import (
    After,
    DirectoryFilter,
    GlobFilter,
    Limit,
    OptionalId,
    PassedQc,
    ProductId,
    SemanticTypeFilter,
    Since,
    Until,
    Where,
)
from eas_product_store.handlers.views import (
    read_plan,
    show_directories,
    show_product,
    show_products,
    show_versions,
)

router = APIRouter(tags=["products"])
can_read = Depends(require(AccessScope.READ))


@router.post(
    "/plan",
    summary="Register products that tasks promise to write",
    description=(
        "All are registered or, if another task holds one of the names, none. "
        "The same promise again changes nothing, so a request may be repeated."
    ),
    operation_id="plan_products",
    dependencies=[Depends(require(AccessScope.OPERATE))],
)
async def plan_products(request: PlanRequest, store: Store) -> PlanResponse:
    """Register promises."""
    return PlanResponse(registered=await store.planning.register(*read_plan(request)))


@router.get("/products", summary="Find products", operation_id="list_products", dependencies=[can_read])
async def list_products(
    store: Store,
    directory: DirectoryFilter = None,
    glob: GlobFilter = None,
    semantic_type: SemanticTypeFilter = None,
    job_id: OptionalId = None,
    passed_qc: PassedQc = None,
    since: Since = None,
    until: Until = None,
    where: Where = None,
    after: After = 0,
    limit: Limit = 100,
) -> ProductPage:
    """List products by id."""
    selection = ProductSelection(
        directory=directory,
        glob=check_glob(glob, "query.glob"),
        semantic_type=semantic_type,
        job_id=job_id,
        passed_qc=passed_qc,
        since=since,
        until=until,
        metadata=read_conditions(where or (), "query.where"),
    )
    return show_products(await store.inventory.list_products(selection, after, limit + 1), limit)


@router.get("/products/{product_id}", summary="Get one product", operation_id="get_product", dependencies=[can_read])
async def get_product(product_id: ProductId, store: Store) -> ProductView:
    """Get one product."""
    return show_product(await store.inventory.get_product(product_id))


@router.get(
    "/products/{product_id}/versions",
    summary="List the versions of a product",
    operation_id="list_product_versions",
    dependencies=[can_read],
)
async def list_product_versions(
    product_id: ProductId, store: Store, after: After = 0, limit: Limit = 100
) -> VersionPage:
    """List the versions of a product by id."""
    await store.inventory.get_product(product_id)
    selection = VersionSelection(product_id=product_id)
    return show_versions(await store.inventory.list_versions(selection, after, limit + 1), limit)


@router.get(
    "/directories",
    summary="List directories with their numbers of products",
    operation_id="list_directories",
    dependencies=[can_read],
)
async def list_directories(
    store: Store,
    after: Annotated[
        str | None,
        Query(
            max_length=MAX_DIRECTORY_LENGTH,
            description="The `next_after` of the page before.",
            examples=["hot_jupiters"],
        ),
    ] = None,
    limit: Limit = 100,
) -> DirectoryPage:
    """List directories by name."""
    return show_directories(await store.inventory.list_directories(after, limit + 1), limit)
