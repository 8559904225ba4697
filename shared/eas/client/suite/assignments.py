"""What operators change of the resources that the workers of a container were given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from eas.contracts.errors import NotFoundError

if TYPE_CHECKING:
    from eas.contracts.containers import ContainerView, RegistryView, ResourcesView


class Registry(Protocol):
    """The scheduler, as far as it knows containers."""

    async def list_containers(self) -> RegistryView:
        """List the kinds of worker."""

    async def assign_resources(self, name: str, resources: ResourcesView) -> ContainerView:
        """Say what each worker of a container is given."""


async def assign(
    registry: Registry,
    name: str,
    *,
    cpu: float | None = None,
    gpu: int | None = None,
    memory_gb: float | None = None,
) -> ContainerView:
    """Change what the workers of a container are given; what is None stays.

    Raises
    ------
    NotFoundError
        There is no such container.
    """
    found = {container.name: container.assigned for container in (await registry.list_containers()).containers}
    if name not in found:
        known = ", ".join(found) or "none"
        raise NotFoundError(f"there is no container {name!r}; there are: {known}", where="NAME")
    changes = {"cpu": cpu, "gpu": gpu, "memory_gb": memory_gb}
    resources = found[name].model_copy(update={key: value for key, value in changes.items() if value is not None})
    return await registry.assign_resources(name, resources)
