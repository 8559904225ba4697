"""From the wire's shapes to the domain's and back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from eas.contracts.metadata import Metadata
from eas.contracts.paths import check_directory, check_filename
from eas.contracts.products import (
    Adoption,
    DirectoryPage,
    DirectoryView,
    PlannedProduct,
    PlanRequest,
    ProductPage,
    ProductView,
    UploadParameters,
    VersionPage,
    VersionView,
)
from eas_product_store.domain.descriptions import check_metadata
from eas_product_store.domain.product import Promise
from eas_product_store.domain.selection import DirectoryCount, ProductSummary
from eas_product_store.domain.version import Deposit, Version


def read_promise(planned: PlannedProduct, where: str) -> Promise:
    """Take a planned product; its names and metadata are checked."""
    return Promise(
        directory=check_directory(planned.directory, f"{where}.directory"),
        filename=check_filename(planned.filename, f"{where}.filename"),
        semantic_type=planned.semantic_type,
        mime_type=planned.mime_type,
        generator_task_id=planned.generator_task_id,
        job_id=planned.job_id,
        planned_at=planned.planned_at or datetime.now(UTC),
        metadata=check_metadata(planned.metadata, f"{where}.metadata"),
        rerun=planned.rerun,
    )


def read_plan(request: PlanRequest) -> tuple[list[Promise], list[str]]:
    """Take a plan: promises, and for each, where it is in the request."""
    places = [f"body.products[{index}]" for index in range(len(request.products))]
    return [read_promise(planned, where) for planned, where in zip(request.products, places, strict=True)], places


def read_deposit(parameters: UploadParameters, metadata: Metadata) -> Deposit:
    """Take what an upload says of itself; its names are checked."""
    promise = Promise(
        directory=check_directory(parameters.directory, "query.directory"),
        filename=check_filename(parameters.filename, "query.filename"),
        semantic_type=parameters.semantic_type,
        mime_type=parameters.mime_type,
        generator_task_id=parameters.task_id,
        job_id=parameters.job_id,
        planned_at=datetime.now(UTC),
        metadata={},
        planned=False,
        rerun=parameters.rerun,
    )
    return Deposit(promise=promise, attempt_id=parameters.attempt_id, mime_type=parameters.mime_type, metadata=metadata)


def read_adoption(adoption: Adoption, where: str) -> Deposit:
    """Take what an adoption would store; its names are checked."""
    promise = Promise(
        directory=check_directory(adoption.directory, f"{where}.directory"),
        filename=check_filename(adoption.filename, f"{where}.filename"),
        semantic_type=adoption.semantic_type,
        mime_type=None,
        generator_task_id=adoption.task_id,
        job_id=adoption.job_id,
        planned_at=datetime.now(UTC),
        metadata={},
        planned=False,
        rerun=adoption.rerun,
    )
    return Deposit(promise=promise, attempt_id=adoption.attempt_id, mime_type=None, metadata={})


def show_version(version: Version) -> VersionView:
    """Show a version to callers."""
    return VersionView(
        version_id=version.version_id,
        product_id=version.product_id,
        directory=version.directory,
        filename=version.filename,
        semantic_type=version.semantic_type,
        mime_type=version.mime_type,
        attempt_id=version.attempt_id,
        task_id=version.task_id,
        job_id=version.job_id,
        md5=version.fingerprint.md5,
        sha256=version.fingerprint.sha256,
        size=version.fingerprint.size,
        created_at=version.created_at,
        passed_qc=version.passed_qc,
        damaged=version.damaged,
        adopted_from=version.adopted_from,
        pin=version.pin,
        deleted_at=version.deleted_at,
        deletion=version.deletion,
        purged=version.purged_at is not None,
        metadata=version.metadata,
    )


def show_product(summary: ProductSummary) -> ProductView:
    """Show a product to callers."""
    product = summary.product
    return ProductView(
        product_id=product.product_id,
        directory=product.directory,
        filename=product.filename,
        semantic_type=product.semantic_type,
        mime_type=product.mime_type,
        generator_task_id=product.generator_task_id,
        job_id=product.job_id,
        planned_at=product.planned_at,
        metadata=product.metadata,
        versions=summary.versions,
        latest=None if summary.latest is None else show_version(summary.latest),
    )


def show_products(found: Sequence[ProductSummary], limit: int) -> ProductPage:
    """Make a page of what was found; one more than `limit` was asked for."""
    items = [show_product(summary) for summary in found[:limit]]
    return ProductPage(items=items, next_after=items[-1].product_id if len(found) > limit else None)


def show_versions(found: Sequence[Version], limit: int) -> VersionPage:
    """Make a page of what was found; one more than `limit` was asked for."""
    items = [show_version(version) for version in found[:limit]]
    return VersionPage(items=items, next_after=items[-1].version_id if len(found) > limit else None)


def show_directories(found: Sequence[DirectoryCount], limit: int) -> DirectoryPage:
    """Make a page of what was found; one more than `limit` was asked for."""
    items = [DirectoryView(directory=count.directory, products=count.products) for count in found[:limit]]
    return DirectoryPage(items=items, next_after=items[-1].directory if len(found) > limit else None)
