"""Kinds of worker: what a worker of one is given when it announces itself."""

from __future__ import annotations

from eas.contracts.scheduler import WorkerAnnouncement
from eas_scheduler.domain.containers import Resources, check_container_name
from eas_scheduler.logic.ports import UnitOfWork


def admit(unit: UnitOfWork, announcement: WorkerAnnouncement) -> Resources | None:
    """Say what a worker of a container was given; None where it names no container.

    A container that nobody has heard of is added, with what the worker has. If nothing is known of what a container can
    run, it is what this worker can.

    Raises
    ------
    InvalidInputError
        No container can have this name.
    """
    if (name := announcement.container) is None:
        return None
    check_container_name(name, where="body.container")
    given = unit.containers.find_assigned(name)
    if given is None:
        has = announcement.resources
        given = Resources(announcement.slots, 0, 0.0) if has is None else Resources(has.cpu, has.gpu, has.memory_gb)
        unit.containers.add(name, given)
    if announcement.task_types and not unit.containers.has_task_types(name):
        unit.containers.add_task_types(name, sorted({found.name for found in announcement.task_types}))
    return given
