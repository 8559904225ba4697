"""What a plan would make, in numbers."""

from __future__ import annotations

from collections import Counter

from eas.contracts.scheduler import DeferredPlace, JobPlan
from eas_scheduler.domain.job_language.flow_types import CHAIN
from eas_scheduler.domain.job_language.plan import Plan
from eas_scheduler.domain.job_language.problems import json_path


def summarise(plan: Plan, new_versions: int) -> JobPlan:
    """Count the tasks and products of the plan of a whole job, and list where more will follow when it runs.

    Parameters
    ----------
    plan
        All that is known now.
    new_versions
        How many of its products exist already.
    """
    deferred = Counter((task.pointer, task.task_type) for task in plan.tasks if task.is_flow and not task.expanded)
    return JobPlan(
        tasks=1 + len(plan.tasks),
        products=len(plan.products) - new_versions,
        new_versions=new_versions,
        task_types=dict(sorted((Counter(task.task_type for task in plan.tasks) + Counter([CHAIN])).items())),
        deferred=[
            DeferredPlace(where=json_path(pointer), task_type=task_type, tasks=count)
            for (pointer, task_type), count in deferred.items()
        ],
        estimates=plan.estimates.views(),
        warnings=plan.estimates.warnings(),
    )
