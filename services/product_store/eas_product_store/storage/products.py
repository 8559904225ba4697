"""The table of products."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Select, bindparam, case, delete, exists, func, insert, select, update

from eas.database.prepared import Prepared, PreparedInsertion, prepare_insert
from eas_product_store.domain.product import Product, Promise
from eas_product_store.domain.selection import DirectoryCount, ProductSelection, ProductSummary
from eas_product_store.storage.conditions import match_filename, match_metadata
from eas_product_store.storage.ids import find_lost
from eas_product_store.storage.pieces import cut
from eas_product_store.storage.schema import EARLIER_GENERATORS, PRODUCTS, VERSIONS
from eas_product_store.storage.versions import SqlVersionTable

# Built once: building a statement costs more than SQLite takes to run it.
_BY_NAME = Prepared(
    select(PRODUCTS).where(PRODUCTS.c.directory == bindparam("directory"), PRODUCTS.c.filename == bindparam("filename"))
)
_COLUMNS = (
    *("directory", "filename", "semantic_type", "mime_type", "generator_task_id"),
    *("job_id", "planned_at", "planned", "rerun", "details"),
)
_INSERT = PreparedInsertion(PRODUCTS, PRODUCTS.c.product_id, *_COLUMNS)
_INSERT_MANY = prepare_insert(PRODUCTS, *_COLUMNS)


class SqlProductTable:
    """Products, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, directory: str, filename: str) -> Product | None:
        """Find the product of a name."""
        rows = _BY_NAME.fetch_named(self._connection, {"directory": directory, "filename": filename})
        return _make_product(rows[0]) if rows else None

    def find_many(self, names: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Product]:
        """Find products by (directory, filename)."""
        found: dict[tuple[str, str], Product] = {}
        for directory, filenames in _group(names).items():
            for chunk in cut(filenames):
                statement = select(PRODUCTS).where(PRODUCTS.c.directory == directory, PRODUCTS.c.filename.in_(chunk))
                for row in self._connection.execute(statement):
                    product = _make_product(row)
                    found[product.name] = product
        return found

    def add(self, promise: Promise) -> Product:
        """Register a product whose name is free."""
        return Product(product_id=_INSERT.execute(self._connection, _make_values(promise)), **vars(promise))

    def add_many(self, promises: Sequence[Promise]) -> None:
        """Register products whose names are free."""
        _INSERT_MANY.send(self._connection, (_make_values(promise) for promise in promises))

    def complete(self, product_id: int, promise: Promise) -> None:
        """Give a product that came with its first version what its plan says."""
        self._connection.execute(
            update(PRODUCTS)
            .where(PRODUCTS.c.product_id == product_id)
            .values(
                planned=True,
                rerun=promise.rerun,
                planned_at=promise.planned_at,
                mime_type=promise.mime_type,
                details=promise.metadata,
            )
        )

    def find_earlier_generators(self, product_ids: Collection[int]) -> Mapping[int, set[int]]:
        """Find the tasks that held the names of products before re-runs took them over."""
        found: dict[int, set[int]] = {}
        for chunk in cut(list(product_ids)):
            statement = select(EARLIER_GENERATORS).where(EARLIER_GENERATORS.c.product_id.in_(chunk))
            for product_id, task_id in self._connection.execute(statement):
                found.setdefault(product_id, set()).add(task_id)
        return found

    def find_lost(self, task_ids: Collection[int]) -> set[int]:
        """Tell which of these tasks the scheduler does not know any more."""
        return find_lost(self._connection, task_ids) if task_ids else set()

    def take_over(self, product: Product, promise: Promise) -> Product:
        """Give a product to a re-run's task, and remember the one that had it."""
        self._connection.execute(
            delete(EARLIER_GENERATORS).where(
                EARLIER_GENERATORS.c.product_id == product.product_id,
                EARLIER_GENERATORS.c.task_id == promise.generator_task_id,
            )
        )
        self.admit(product.product_id, product.generator_task_id)
        # What a plan does not say is not so; a version that came without one has not said all.
        mime_type = promise.mime_type if promise.planned else promise.mime_type or product.mime_type
        changed = _make_values(promise) | {"mime_type": mime_type}
        self._connection.execute(update(PRODUCTS).where(PRODUCTS.c.product_id == product.product_id).values(changed))
        return replace(
            product,
            generator_task_id=promise.generator_task_id,
            job_id=promise.job_id,
            planned_at=promise.planned_at,
            planned=promise.planned,
            semantic_type=promise.semantic_type,
            mime_type=mime_type,
            metadata=promise.metadata,
            rerun=promise.rerun,
        )

    def admit(self, product_id: int, task_id: int) -> None:
        """Let one more task store versions under a name that another holds. Again, it changes nothing."""
        if task_id not in self.find_earlier_generators([product_id]).get(product_id, ()):
            self._connection.execute(insert(EARLIER_GENERATORS), {"product_id": product_id, "task_id": task_id})

    def get(self, product_id: int) -> ProductSummary | None:
        """Find one product with its versions summed up."""
        return next(iter(self._summarize(select(PRODUCTS).where(PRODUCTS.c.product_id == product_id))), None)

    def select(self, selection: ProductSelection, after: int, limit: int) -> list[ProductSummary]:
        """List products by id, from the first beyond `after`."""
        statement = select(PRODUCTS).where(PRODUCTS.c.product_id > after)
        for column, value in (
            (PRODUCTS.c.directory, selection.directory),
            (PRODUCTS.c.semantic_type, selection.semantic_type),
            (PRODUCTS.c.job_id, selection.job_id),
        ):
            if value is not None:
                statement = statement.where(column == value)
        if selection.glob is not None:
            statement = statement.where(match_filename(PRODUCTS.c.filename, selection.glob))
        if selection.since is not None:
            statement = statement.where(PRODUCTS.c.planned_at >= selection.since)
        if selection.until is not None:
            statement = statement.where(PRODUCTS.c.planned_at < selection.until)
        for condition in selection.metadata:
            statement = statement.where(match_metadata(PRODUCTS.c.details, condition))
        if selection.passed_qc is not None:
            statement = statement.where(
                exists().where(
                    VERSIONS.c.product_id == PRODUCTS.c.product_id, VERSIONS.c.passed_qc == selection.passed_qc
                )
            )
        return self._summarize(statement.order_by(PRODUCTS.c.product_id).limit(limit))

    def count_by_directory(self, after: str | None, limit: int) -> list[DirectoryCount]:
        """List directories by name, from the first beyond `after`."""
        directory = PRODUCTS.c.directory
        statement = select(directory, func.count()).group_by(directory).order_by(directory).limit(limit)
        if after is not None:
            statement = statement.where(directory > after)
        return [DirectoryCount(name, count) for name, count in self._connection.execute(statement)]

    def _summarize(self, statement: Select[Any]) -> list[ProductSummary]:
        products = [_make_product(row) for row in self._connection.execute(statement)]
        sums: dict[int, tuple[int, int]] = {}
        for chunk in cut([product.product_id for product in products]):
            accepted = func.max(case((VERSIONS.c.passed_qc.is_(True), VERSIONS.c.version_id)))
            counted = (
                select(VERSIONS.c.product_id, func.count(), func.coalesce(accepted, func.max(VERSIONS.c.version_id)))
                .where(VERSIONS.c.product_id.in_(chunk), VERSIONS.c.deleted_at.is_(None))
                .group_by(VERSIONS.c.product_id)
            )
            sums.update({key: (count, latest) for key, count, latest in self._connection.execute(counted)})
        latest = SqlVersionTable(self._connection).find([version_id for _, version_id in sums.values()])
        summaries = []
        for product in products:
            count, version_id = sums.get(product.product_id, (0, None))
            summaries.append(ProductSummary(product, count, None if version_id is None else latest[version_id]))
        return summaries


def _group(names: Collection[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for directory, filename in names:
        groups.setdefault(directory, []).append(filename)
    return groups


def _make_product(row: Any) -> Product:
    return Product(
        product_id=row.product_id,
        directory=row.directory,
        filename=row.filename,
        semantic_type=row.semantic_type,
        mime_type=row.mime_type,
        generator_task_id=row.generator_task_id,
        job_id=row.job_id,
        planned_at=row.planned_at,
        metadata=row.details,
        planned=row.planned,
        rerun=row.rerun,
    )


def _make_values(promise: Promise) -> dict[str, object]:
    return {
        "directory": promise.directory,
        "filename": promise.filename,
        "semantic_type": promise.semantic_type,
        "mime_type": promise.mime_type,
        "generator_task_id": promise.generator_task_id,
        "job_id": promise.job_id,
        "planned_at": promise.planned_at,
        "planned": promise.planned,
        "rerun": promise.rerun,
        "details": promise.metadata,
    }
