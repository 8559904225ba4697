"""Register the products that tasks promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from services.product_store.domain.product import Product, Promise, Standing, judge_promise
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
            Names are held by other tasks, and this is no re-run; `problems` lists them. Nothing was registered.
        """
        return await self._catalog.write(lambda catalog: self._register(catalog, promises, places))

    @staticmethod
    def _register(catalog: Catalog, promises: Sequence[Promise], places: Sequence[str]) -> int:
        known: dict[tuple[str, str], Promise] = {}
        known.update(catalog.products.find_many([promise.name for promise in promises]))
        earlier = _find_earlier(catalog, promises, known)
        new: list[Promise] = []
        taken: list[tuple[Product, Promise]] = []
        admitted: list[tuple[Product, Promise]] = []
        problems: list[Problem] = []
        for promise, place in zip(promises, places, strict=True):
            held = known.get(promise.name)
            if held is None:
                known[promise.name] = promise
                new.append(promise)
                continue
            try:
                # Of one request, no task takes a name from another.
                is_own = not isinstance(held, Product)
                given, other = (replace(one, rerun=one.rerun and not is_own) for one in (promise, held))
                standing = judge_promise(other, earlier.get(promise.name, ()), given, place)
            except ProductExistsError as error:
                problems.append(Problem(slug=error.slug, message=error.message, where=error.where))
                continue
            if not isinstance(held, Product):
                continue
            if standing is Standing.TAKES_OVER:
                taken.append((held, promise))
                known[promise.name] = promise
            elif standing is Standing.MAY_STORE:
                admitted.append((held, promise))
            elif not held.planned:
                catalog.products.complete(held.product_id, promise)
        if problems:
            first = problems[0]
            raise ProductExistsError(first.message, where=first.where, problems=problems[:MAX_PROBLEMS])
        catalog.products.add_many(new)
        for product, promise in taken:
            catalog.products.take_over(product, promise)
        for product, promise in admitted:
            catalog.products.admit(product.product_id, promise.generator_task_id)
        return len(new) + len(taken)


def _find_earlier(
    catalog: Catalog, promises: Sequence[Promise], known: Mapping[tuple[str, str], Promise]
) -> dict[tuple[str, str], set[int]]:
    """Look up who may store under the names that are held by others than those who promise them now."""
    disputed = {
        held.product_id: held.name
        for promise in promises
        if isinstance(held := known.get(promise.name), Product) and held.generator_task_id != promise.generator_task_id
    }
    found = catalog.products.find_earlier_generators(disputed)
    return {disputed[product_id]: task_ids for product_id, task_ids in found.items()}
