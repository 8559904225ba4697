"""Tasks, and the types that they can have."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from services.scheduler.handlers.dependencies import Reader, Scheduler
from shared.contracts.scheduler import TaskTypeView, TaskView

router = APIRouter(tags=["tasks"])


@router.get("/tasks/{task_id}", summary="Show a task", operation_id="get_task")
async def get_task(task_id: Annotated[int, Path(examples=[3])], scheduler: Scheduler, _principal: Reader) -> TaskView:
    """Show a task with its description, what it depends on, and all its attempts."""
    return await scheduler.views.get_task(task_id)


@router.get("/task-types", summary="List task types", operation_id="list_task_types")
async def list_task_types(scheduler: Scheduler, _principal: Reader) -> list[TaskTypeView]:
    """List what a job may name under `task`, with slots and the JSON Schema of the settings."""
    return await scheduler.views.list_task_types()
