"""What each task of a worker may use: threads, graphics processors and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from eas.contracts.containers import ResourcesView
from eas.environment_variables import GPU_VARIABLE, THREAD_VARIABLES


@dataclass(frozen=True, slots=True)
class Share:
    """What each task may use.

    Parameters
    ----------
    threads
        How many it may have.
    gpus
        How many graphics processors the worker has for all its slots; None: whatever is there.
    slots
        How many there are.
    pinned
        Whether the tasks of each slot run on processors of their own.
    memory_gb
        Memory of a task for which nobody said otherwise [GB]; None: no limit.
    """

    threads: int = 1
    gpus: int | None = None
    slots: int = 1
    pinned: bool = False
    memory_gb: float | None = None


def share_out(assigned: ResourcesView, own: Share) -> Share:
    """Divide what a worker was given among its slots, in place of what it has by itself.

    Each slot has one thread at least, and its part of the memory, but no more than there is: `own.memory_gb`. Where no
    memory was assigned (0), that stays.
    """
    part = assigned.memory_gb / own.slots
    return replace(
        own,
        threads=max(1, int(assigned.cpu // own.slots)),
        gpus=assigned.gpu,
        memory_gb=min(part, own.memory_gb or part) if part else own.memory_gb,
    )


def list_gpus(environment: Mapping[str, str], share: Share) -> list[str] | None:
    """List the graphics processors that tasks may see; None where nobody has said anything of any.

    Of those that are visible already the first ones stay; where nothing is said of any, they are numbered from 0.
    """
    there = environment.get(GPU_VARIABLE)
    named = None if there is None else [name.strip() for name in there.split(",") if name.strip()]
    if share.gpus is None:
        return named
    return [str(number) for number in range(share.gpus)] if named is None else named[: share.gpus]


def deal_gpus(gpus: Sequence[str], slots: int) -> list[list[str]]:
    """Give each slot graphics processors of its own; where they are fewer, several slots have the same one.

    None is left over: with 3 for 2 slots, the last has 2.
    """
    if not gpus:
        return [[] for _ in range(slots)]
    if len(gpus) < slots:
        return [[gpus[slot % len(gpus)]] for slot in range(slots)]
    return [list(gpus[slot * len(gpus) // slots : (slot + 1) * len(gpus) // slots]) for slot in range(slots)]


def deal_processors(processors: Sequence[int], threads: int, slots: int) -> list[list[int]]:
    """Give each slot as many processors of its own as it has threads; those of the next begin where its own end.

    Where there are too few, it begins anew with the first.
    """
    if not processors:
        return [[] for _ in range(slots)]
    count = min(threads, len(processors))
    return [
        sorted({processors[(slot * count + number) % len(processors)] for number in range(count)})
        for slot in range(slots)
    ]


def set_share(environment: Mapping[str, str], share: Share) -> dict[str, str]:
    """Say in environment variables what the tasks of all slots together may use."""
    changed = dict(environment) | dict.fromkeys(THREAD_VARIABLES, str(share.threads))
    if (gpus := list_gpus(environment, share)) is not None:
        changed[GPU_VARIABLE] = ",".join(gpus)
    return changed
