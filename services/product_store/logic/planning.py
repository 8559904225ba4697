"""Register the products that tasks promise."""

from __future__ import annotations

from collections.abc import Sequence

from services.product_store.domain.product import Product, Promise, check_same_promise
from services.product_store.logic.ports import Catalog, CatalogAccess
from shared.contracts.errors import Problem, ProductExistsError

MAX_PROBLEMS = 100


class Planning:
    """Takes promises, all of a request or none."""

    def __init__(self, catalog: CatalogAccess) -> None:
        self._catalog = catalog

    async def register(self, promises: Sequence[Promise], places: Sequence[str]) -> int:
        """Register promises that are not known yet and tell how many these were.

        Parameters
        ----------
        promises
            What tasks will write. One that its task made before changes nothing.
        places
            For each, where it is in the caller's input.

        Raises
        ------
        ProductExistsError
            Names are held by other tasks; `problems` lists them. Nothing was registered.
        """
        return await self._catalog.write(lambda catalog: self._register(catalog, promises, places))

    @staticmethod
    def _register(catalog: Catalog, promises: Sequence[Promise], places: Sequence[str]) -> int:
        known: dict[tuple[str, str], Promise] = {}
        known.update(catalog.products.find_many([promise.name for promise in promises]))
        new: list[Promise] = []
        problems: list[Problem] = []
        for promise, place in zip(promises, places, strict=True):
            held = known.get(promise.name)
            if held is None:
                known[promise.name] = promise
                new.append(promise)
                continue
            try:
                check_same_promise(held, promise, place)
            except ProductExistsError as error:
                problems.append(Problem(slug=error.slug, message=error.message, where=error.where))
                continue
            if isinstance(held, Product) and not held.planned:
                catalog.products.complete(held.product_id, promise)
        if problems:
            first = problems[0]
            raise ProductExistsError(first.message, where=first.where, problems=problems[:MAX_PROBLEMS])
        catalog.products.add_many(new)
        return len(new)
