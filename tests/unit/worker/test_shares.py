"""What each task may use of what its worker was given."""

from __future__ import annotations

import pytest

from eas.contracts.containers import ResourcesView
from eas_worker.domain.share import Share, deal_gpus, deal_processors, set_share, share_out
from eas_worker.domain.terms import WorkerTerms


@pytest.mark.parametrize(
    ("cpu", "slots", "threads"), [(3, 1, 3), (20, 4, 5), (7, 2, 3), (2, 4, 1), (0, 1, 1), (0.5, 1, 1), (2.9, 1, 2)]
)
def test_cores_are_divided_among_the_slots(cpu: float, slots: int, threads: int) -> None:
    assert share_out(ResourcesView(cpu=cpu, gpu=0, memory_gb=0), Share(slots=slots)).threads == threads


@pytest.mark.parametrize(
    ("assigned", "slots", "there", "memory"),
    [
        (16, 4, 100, 4),
        (3, 2, 100, 1.5),
        (64, 2, 10, 10),
        (16, 4, None, 4),
        (0, 4, 10, 10),
        (0, 4, None, None),
    ],
)
def test_memory_is_divided_among_the_slots_and_is_never_more_than_there_is(
    assigned: float, slots: int, there: float | None, memory: float | None
) -> None:
    given = ResourcesView(cpu=1, gpu=0, memory_gb=assigned)
    assert share_out(given, Share(slots=slots, memory_gb=there)).memory_gb == memory


def test_what_nobody_assigns_stays_as_it_is() -> None:
    own = Share(threads=9, slots=2, pinned=True)
    assert share_out(ResourcesView(cpu=4, gpu=1, memory_gb=0), own) == Share(2, 1, slots=2, pinned=True)


@pytest.mark.parametrize(
    ("gpus", "there", "seen"),
    [
        (None, "0,1", "0,1"),
        (None, None, None),
        (0, None, ""),
        (0, "0,1", ""),
        (2, None, "0,1"),
        (2, "5,7,6", "5,7"),
        (1, "", ""),
        (3, "GPU-8a3f", "GPU-8a3f"),
    ],
)
def test_tasks_see_the_first_graphics_processors(gpus: int | None, there: str | None, seen: str | None) -> None:
    environment = {} if there is None else {"CUDA_VISIBLE_DEVICES": there}
    assert set_share(environment, Share(1, gpus)).get("CUDA_VISIBLE_DEVICES") == seen


def test_all_libraries_hear_of_the_threads_and_nothing_else_changes() -> None:
    environment = set_share({"LANG": "C.UTF-8", "OMP_NUM_THREADS": "64"}, Share(3))
    names = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    assert {environment[name] for name in names} == {"3"}
    assert environment["LANG"] == "C.UTF-8"


def test_a_worker_of_a_container_says_what_it_has() -> None:
    terms = WorkerTerms("w", "here", 1, slots=2, cpus_per_slot=3, container="box")
    assert terms.announce().resources == ResourcesView(cpu=6, gpu=0, memory_gb=0)
    assert terms.announce().container == "box"
    assert WorkerTerms("w", "here", 1).announce().resources is None


@pytest.mark.parametrize(
    ("gpus", "slots", "dealt"),
    [
        (["0", "1"], 2, [["0"], ["1"]]),
        (["0", "1", "2"], 2, [["0"], ["1", "2"]]),
        (["5", "7", "6", "4"], 2, [["5", "7"], ["6", "4"]]),
        (["0"], 3, [["0"], ["0"], ["0"]]),
        (["0", "1"], 3, [["0"], ["1"], ["0"]]),
        ([], 2, [[], []]),
    ],
)
def test_each_slot_has_graphics_processors_of_its_own(gpus: list[str], slots: int, dealt: list[list[str]]) -> None:
    assert deal_gpus(gpus, slots) == dealt


@pytest.mark.parametrize(
    ("processors", "threads", "slots", "dealt"),
    [
        ([0, 1, 2, 3], 2, 2, [[0, 1], [2, 3]]),
        ([4, 6, 7], 1, 3, [[4], [6], [7]]),
        ([0, 1], 1, 3, [[0], [1], [0]]),
        ([0, 1, 2], 2, 2, [[0, 1], [0, 2]]),
        ([0, 1], 4, 2, [[0, 1], [0, 1]]),
        ([], 2, 2, [[], []]),
    ],
)
def test_each_slot_has_processors_of_its_own(
    processors: list[int], threads: int, slots: int, dealt: list[list[int]]
) -> None:
    assert deal_processors(processors, threads, slots) == dealt
