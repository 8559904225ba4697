"""How a handler gets at the service's parts."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Request

from eas.http.auth import AccessScope, Principal, require
from eas_scheduler.runtime import SchedulerRuntime


def provide(app: FastAPI, factory: SchedulerRuntime) -> None:
    """Give `app` the parts that its handlers will ask for."""
    app.state.factory = factory


async def _get_runtime(request: Request) -> SchedulerRuntime:
    factory: SchedulerRuntime = request.app.state.factory
    return factory


Scheduler = Annotated[SchedulerRuntime, Depends(_get_runtime)]
Reader = Annotated[Principal, Depends(require(AccessScope.READ))]
Submitter = Annotated[Principal, Depends(require(AccessScope.SUBMIT))]
WorkerAccess = Annotated[Principal, Depends(require(AccessScope.WORK))]
Operator = Annotated[Principal, Depends(require(AccessScope.OPERATE))]
