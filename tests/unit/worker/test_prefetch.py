"""How much work a worker asks for."""

from __future__ import annotations

import pytest

from services.worker.domain.prefetch import RunTimes, SlotLoad, Wish

IDLE = SlotLoad()


def busy(work: float, count: int = 1, elapsed: float = 0.0) -> SlotLoad:
    return SlotLoad(count, work, elapsed)


@pytest.fixture
def run_times() -> RunTimes:
    found = RunTimes(horizon=0.25)
    found.observe("short", 0.01)
    found.observe("long", 30.0)
    return found


def test_of_unknown_and_long_types_a_worker_wants_one_for_each_idle_slot(run_times: RunTimes) -> None:
    wish = run_times.wish(["new", "long"], [IDLE, IDLE, busy(30.0)], {}, 256)
    assert wish == Wish({"new": 2, "long": 2}, 2)


def test_of_short_types_it_wants_a_quarter_of_a_second(run_times: RunTimes) -> None:
    assert run_times.wish(["short", "long"], [IDLE], {}, 256) == Wish({"short": 25, "long": 1}, 25)


def test_what_it_has_is_subtracted(run_times: RunTimes) -> None:
    assert run_times.wish(["short", "long"], [busy(0.15, 15)], {}, 256).limits == {"short": 10}
    assert run_times.wish(["short"], [IDLE], {"short": 15}, 256).limits == {"short": 10}


def test_what_waits_for_a_slot_takes_the_place_of_what_could_be_asked_for(run_times: RunTimes) -> None:
    assert run_times.wish(["short", "long"], [IDLE], {"long": 1}, 256) == Wish({}, 0)


def test_a_slot_busy_beyond_the_horizon_has_no_room(run_times: RunTimes) -> None:
    assert run_times.wish(["short"], [busy(0.01, 1, elapsed=0.3)], {}, 256).limit == 0


def test_the_bound_holds(run_times: RunTimes) -> None:
    assert run_times.wish(["short"], [IDLE, IDLE, IDLE], {}, 40) == Wish({"short": 40}, 40)


def test_one_long_run_makes_a_type_long_until_short_ones_follow(run_times: RunTimes) -> None:
    run_times.observe("short", 2.0)
    assert not run_times.is_short("short")
    for _ in range(10):
        run_times.observe("short", 0.001)
    assert run_times.is_short("short")


def test_a_task_is_never_thought_to_take_no_time() -> None:
    run_times = RunTimes(horizon=0.25)
    run_times.observe("null", 0.0)
    assert run_times.wish(["null"], [IDLE], {}, 10_000).limit == 2500
