"""Tasks, and the types that they can have."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path

from eas.contracts.execution import TaskTypeRules
from eas.contracts.scheduler import ExcuseRequest, TaskRetryRequest, TaskTypeView, TaskView
from eas.contracts.values import Integer
from eas_scheduler.handlers.dependencies import Operator, Reader, Scheduler, Submitter
from eas_scheduler.handlers.examples import EXCUSE, RULES, TASK_RETRY

router = APIRouter(tags=["tasks"])

TaskId = Annotated[Integer, Path(examples=[3])]


@router.get("/tasks/{task_id}", summary="Show a task", operation_id="get_task")
async def get_task(task_id: TaskId, scheduler: Scheduler, _principal: Reader) -> TaskView:
    """Show a task with its description, what it depends on, and all its attempts."""
    return await scheduler.views.get_task(task_id)


@router.post("/tasks/{task_id}/cancel", summary="Cancel a task", operation_id="cancel_task")
async def cancel_task(task_id: TaskId, scheduler: Scheduler, principal: Submitter) -> TaskView:
    """End a task and all below it; what depends on them is blocked."""
    await scheduler.control.cancel_task(task_id, by=principal.name)
    return await scheduler.views.get_task(task_id)


@router.post("/tasks/{task_id}/retry", summary="Try a task again", operation_id="retry_task")
async def retry_task(
    task_id: TaskId,
    scheduler: Scheduler,
    principal: Submitter,
    body: Annotated[TaskRetryRequest | None, Body(examples=[TASK_RETRY])] = None,
) -> TaskView:
    """Give a failed or cancelled task a fresh attempt; what it had blocked waits for it again."""
    await scheduler.control.retry_task(task_id, body or TaskRetryRequest(), by=principal.name)
    return await scheduler.views.get_task(task_id)


@router.post("/tasks/{task_id}/excuse", summary="Excuse a failed task", operation_id="excuse_task")
async def excuse_task(
    task_id: TaskId,
    body: Annotated[ExcuseRequest, Body(examples=[EXCUSE])],
    scheduler: Scheduler,
    principal: Submitter,
) -> TaskView:
    """Count a failed task as done, without results, where nobody needs its files."""
    await scheduler.control.excuse_task(task_id, body.excuse, by=principal.name)
    return await scheduler.views.get_task(task_id)


@router.get("/task-types", summary="List task types", operation_id="list_task_types")
async def list_task_types(scheduler: Scheduler, _principal: Reader) -> list[TaskTypeView]:
    """List what a job may name under `task`, with slots and the JSON Schema of the settings."""
    return await scheduler.views.list_task_types()


@router.put("/task-types/{name}/rules", summary="Set the rules of a task type", operation_id="set_rules")
async def set_rules(
    name: Annotated[str, Path(examples=["transit_search_tls"])],
    rules: Annotated[TaskTypeRules, Body(examples=[RULES])],
    scheduler: Scheduler,
    principal: Operator,
) -> TaskTypeRules:
    """Say how attempts of a type are made where a task says nothing itself, and how many may run at the same time.

    They replace those that were set before. Priorities, pauses and queue time-outs hold for what is queued from now on.
    """
    await scheduler.control.set_rules(name, rules, by=principal.name)
    return rules
