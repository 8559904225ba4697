"""Long lists without their pages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from eas.contracts.diagnostics import JobFilter, ResultTables, join_tables
from eas.contracts.logs import LogQuery, RecordOrder, StoredRecord

if TYPE_CHECKING:
    from eas.client.log_service import LogClient
    from eas.client.product_store import ProductStoreClient
    from eas.client.scheduler import SchedulerClient
    from eas.contracts.products import ProductView, VersionView
    from eas.contracts.scheduler import JobView, ResultView, TaskLine
    from eas.contracts.states import JobState

Item = TypeVar("Item")
Cursor = TypeVar("Cursor")

PAGE = 1000
#: Deeper than any job can be.
WHOLE_DEPTH = 1000
#: How many of the latest log records are listed, if nothing else is said.
MOST_RECORDS = 1000


async def turn_pages(
    fetch: Callable[[Cursor | None], Awaitable[tuple[Sequence[Item], Cursor | None]]],
) -> AsyncGenerator[Item, None]:
    """Go through all items.

    Parameters
    ----------
    fetch
        Fetches the page after a cursor (the first for None): its items, and the cursor of the next page, None on the
        last.
    """
    cursor: Cursor | None = None
    while True:
        items, cursor = await fetch(cursor)
        for item in items:
            yield item
        if cursor is None:
            return


async def _take(items: AsyncGenerator[Item, None], limit: int | None) -> list[Item]:
    """Collect up to `limit` items; all for None."""
    found: list[Item] = []
    if limit is not None and limit <= 0:
        return found
    async for item in items:
        found.append(item)
        if limit is not None and len(found) >= limit:
            break
    return found


async def list_jobs(
    scheduler: SchedulerClient, *, state: JobState | None = None, name: str | None = None, limit: int | None = None
) -> list[JobView]:
    """List jobs, newest first."""

    async def fetch(before: int | None) -> tuple[Sequence[JobView], int | None]:
        page = await scheduler.list_jobs(before=before, limit=_size(limit), state=state, name=name)
        return page.items, page.next_before

    return await _take(turn_pages(fetch), limit)


def turn_tree(
    scheduler: SchedulerClient, job_id: int, *, max_depth: int | None = None, running: bool = False
) -> AsyncGenerator[TaskLine, None]:
    """Go through a job's tasks in pre-order; with `running`, only those that run, and the tasks above them."""
    depth = WHOLE_DEPTH if max_depth is None else max_depth

    async def fetch(after: str | None) -> tuple[Sequence[TaskLine], str | None]:
        page = await scheduler.get_tree(job_id, after=after, limit=PAGE, max_depth=depth, running=running)
        return page.items, page.next_after

    return turn_pages(fetch)


async def list_tree(
    scheduler: SchedulerClient, job_id: int, *, max_depth: int | None = None, running: bool = False
) -> list[TaskLine]:
    """List a job's tasks in pre-order. See `turn_tree`."""
    return await _take(turn_tree(scheduler, job_id, max_depth=max_depth, running=running), None)


async def list_results(scheduler: SchedulerClient, job_id: int, *, task_type: str | None = None) -> list[ResultView]:
    """List the outcomes of a job's finished tasks."""

    async def fetch(after: int | None) -> tuple[Sequence[ResultView], int | None]:
        page = await scheduler.get_results(job_id, task_type=task_type, after=after, limit=PAGE)
        return page.items, page.next_after

    return await _take(turn_pages(fetch), None)


async def list_records(logs: LogClient, query: LogQuery, limit: int | None) -> list[StoredRecord]:
    """List the latest log records, oldest first."""

    async def fetch(after: int | None) -> tuple[Sequence[StoredRecord], int | None]:
        changes = {"order": RecordOrder.DESCENDING, "limit": _size(limit), "after": after or 0}
        page = await logs.list_records(query.model_copy(update=changes))
        return page.items, page.next_after

    return (await _take(turn_pages(fetch), limit))[::-1]


async def list_products(
    products: ProductStoreClient,
    *,
    directory: str | None = None,
    glob: str | None = None,
    job_id: int | None = None,
    semantic_type: str | None = None,
    passed_qc: bool | None = None,
    where: Sequence[str] = (),
) -> list[ProductView]:
    """List products."""

    async def fetch(after: int | None) -> tuple[Sequence[ProductView], int | None]:
        page = await products.list_products(
            directory=directory,
            glob=glob,
            job_id=job_id,
            semantic_type=semantic_type,
            passed_qc=passed_qc,
            where=where,
            after=after or 0,
            limit=PAGE,
        )
        return page.items, page.next_after

    return await _take(turn_pages(fetch), None)


async def list_versions(products: ProductStoreClient, product_id: int) -> list[VersionView]:
    """List the versions of a product, oldest first."""

    async def fetch(after: int | None) -> tuple[Sequence[VersionView], int | None]:
        page = await products.list_product_versions(product_id, after=after or 0, limit=PAGE)
        return page.items, page.next_after

    return await _take(turn_pages(fetch), None)


async def gather_outcomes(scheduler: SchedulerClient, chosen: JobFilter) -> ResultTables:
    """Put the whole tables of outcomes together."""
    return join_tables([page async for page in _turn_tables(partial(scheduler.get_outcomes, chosen))])


async def gather_timings(scheduler: SchedulerClient, chosen: JobFilter) -> ResultTables:
    """Put the whole tables of run times together."""
    return join_tables([page async for page in _turn_tables(partial(scheduler.get_timings, chosen))])


async def _turn_tables(fetch: Callable[..., Awaitable[ResultTables]]) -> AsyncIterator[ResultTables]:
    after: str | None = None
    while True:
        page = await fetch(after=after)
        yield page
        after = page.next_after
        if after is None:
            return


def _size(limit: int | None) -> int:
    return PAGE if limit is None else max(1, min(PAGE, limit))
