"""Rows of worker containers."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, delete, insert, select, update

from eas.contracts.containers import ContainerView, RegistryView, ResourcesView
from eas.contracts.errors import NotFoundError
from eas.database.committer import Database
from eas_scheduler.domain.containers import Registry, Resources
from eas_scheduler.storage.schema import container_table as _container
from eas_scheduler.storage.schema import container_task_type_table as _capability


class ContainerStore:
    """Containers of one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find_assigned(self, name: str) -> Resources | None:
        """Find what each worker of a container was given; None where there is no such container."""
        columns = (_container.c.assigned_cpu, _container.c.assigned_gpu, _container.c.assigned_memory_gb)
        row = self._connection.execute(select(*columns).where(_container.c.name == name)).one_or_none()
        return None if row is None else Resources(*row)

    def add(self, name: str, resources: Resources) -> None:
        """Add a container that is given what it asks for."""
        values = _request(resources) | _assignment(resources)
        self._connection.execute(insert(_container).values(name=name, **values))

    def has_task_types(self, name: str) -> bool:
        """Tell whether anything is known of what a container can run."""
        query = select(_capability.c.task_type).where(_capability.c.container == name).limit(1)
        return self._connection.execute(query).one_or_none() is not None

    def add_task_types(self, name: str, task_types: Collection[str]) -> None:
        """Add to what a container can run."""
        rows = [{"container": name, "task_type": task_type} for task_type in task_types]
        self._connection.execute(insert(_capability), rows)


class ContainerCatalog:
    """Containers, what they can run, and what they were given."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, registry: Registry) -> RegistryView:
        """Add what a registry says.

        A container that is new is assigned what it asks for; one that is known keeps its assignment. The containers of
        each task type are replaced by those of the registry. Nothing else is removed.
        """
        return await self._database.write(lambda connection: _load(connection, registry))

    async def list_all(self) -> RegistryView:
        """List containers by name."""
        return await self._database.read(_list)

    async def assign(self, name: str, resources: Resources) -> ContainerView:
        """Record what a container was given.

        Raises
        ------
        NotFoundError
            There is no such container.
        """
        return await self._database.write(lambda connection: _assign(connection, name, resources))


def _load(connection: Connection, registry: Registry) -> RegistryView:
    known = set(connection.execute(select(_container.c.name)).scalars())
    for name, needs in registry.containers.items():
        asked = _request(needs)
        if name in known:
            connection.execute(update(_container).where(_container.c.name == name).values(asked))
        else:
            connection.execute(insert(_container).values(name=name, **asked, **_assignment(needs)))
    if registry.capabilities:
        connection.execute(delete(_capability).where(_capability.c.task_type.in_(list(registry.capabilities))))
        rows = [
            {"container": container, "task_type": task_type}
            for task_type, containers in registry.capabilities.items()
            for container in sorted(containers)
        ]
        if rows:
            connection.execute(insert(_capability), rows)
    return _list(connection)


def _request(needs: Resources) -> dict[str, float]:
    return {"requested_cpu": needs.cpu, "requested_gpu": needs.gpu, "requested_memory_gb": needs.memory_gb}


def _assignment(given: Resources) -> dict[str, float]:
    return {"assigned_cpu": given.cpu, "assigned_gpu": given.gpu, "assigned_memory_gb": given.memory_gb}


def _assign(connection: Connection, name: str, resources: Resources) -> ContainerView:
    changed = connection.execute(update(_container).where(_container.c.name == name).values(_assignment(resources)))
    if not changed.rowcount:
        raise NotFoundError(f"there is no container {name!r}", where="path.name")
    return next(found for found in _list(connection).containers if found.name == name)


def _list(connection: Connection) -> RegistryView:
    capabilities: dict[str, list[str]] = {}
    for row in connection.execute(select(_capability).order_by(_capability.c.task_type)):
        capabilities.setdefault(row.container, []).append(row.task_type)
    rows = connection.execute(select(_container).order_by(_container.c.name))
    return RegistryView(
        containers=[
            ContainerView(
                name=row.name,
                requested=ResourcesView(
                    cpu=row.requested_cpu, gpu=row.requested_gpu, memory_gb=row.requested_memory_gb
                ),
                assigned=ResourcesView(cpu=row.assigned_cpu, gpu=row.assigned_gpu, memory_gb=row.assigned_memory_gb),
                task_types=capabilities.get(row.name, []),
            )
            for row in rows
        ]
    )
