"""What each task of a worker may use: threads and graphics processors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.contracts.containers import ResourcesView

#: Variables by which numerical libraries learn how many threads they may use. They read them when they are imported.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)

#: The graphics processors that CUDA shows to a program, by commas.
GPU_VARIABLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, slots=True)
class Share:
    """What each task may use.

    Parameters
    ----------
    threads
        How many it may have.
    gpus
        How many of the worker's graphics processors it sees, the same for all tasks; None: whatever is there.
    """

    threads: int = 1
    gpus: int | None = None


def share_out(assigned: ResourcesView, slots: int) -> Share:
    """Divide what a worker was given among its slots. Each has one thread at least; graphics processors are shared."""
    return Share(threads=max(1, int(assigned.cpu // slots)), gpus=assigned.gpu)


def set_share(environment: Mapping[str, str], share: Share) -> dict[str, str]:
    """Say in environment variables what a task may use.

    Of the graphics processors that are visible already the first ones stay; where nothing is said of any, they are
    numbered from 0.
    """
    changed = dict(environment) | dict.fromkeys(THREAD_VARIABLES, str(share.threads))
    if share.gpus is not None:
        there = environment.get(GPU_VARIABLE)
        visible = [str(number) for number in range(share.gpus)] if there is None else there.split(",")[: share.gpus]
        changed[GPU_VARIABLE] = ",".join(visible)
    return changed
