"""Register the products that tasks promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from eas.contracts.errors import Problem, ProductExistsError
from eas_product_store.domain.product import Product, Promise, Standing, judge_promise
from eas_product_store.logic.ports import Catalog, CatalogAccess

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
        disputed = _find_disputed(promises, known)
        earlier = _find_earlier(catalog, disputed)
        lost = catalog.products.find_lost({product.generator_task_id for product in disputed})
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
                is_lost = is_own and held.generator_task_id in lost
                standing = judge_promise(other, earlier.get(promise.name, ()), given, place, lost=is_lost)
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


def _find_disputed(promises: Sequence[Promise], known: Mapping[tuple[str, str], Promise]) -> list[Product]:
    """List the products that are held by others than those who promise them now."""
    return [
        held
        for promise in promises
        if isinstance(held := known.get(promise.name), Product) and held.generator_task_id != promise.generator_task_id
    ]


def _find_earlier(catalog: Catalog, disputed: Sequence[Product]) -> dict[tuple[str, str], set[int]]:
    """Look up who may store under the names of these products besides those who hold them."""
    names = {product.product_id: product.name for product in disputed}
    found = catalog.products.find_earlier_generators(names)
    return {names[product_id]: task_ids for product_id, task_ids in found.items()}
