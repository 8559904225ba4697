"""How much work a worker asks for."""

from __future__ import annotations

import math

import pytest

from eas_worker.domain.prefetch import LONGEST_LEAD, ClaimDemand, RunTimes, SlotLoad

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
    wish = run_times.choose_demand(["new", "long"], [IDLE, IDLE, busy(30.0)], {}, 256)
    assert wish == ClaimDemand({"new": 2, "long": 2}, 2)


def test_of_short_types_it_wants_a_quarter_of_a_second(run_times: RunTimes) -> None:
    assert run_times.choose_demand(["short", "long"], [IDLE], {}, 256) == ClaimDemand({"short": 25, "long": 1}, 25)


def test_what_it_has_is_subtracted(run_times: RunTimes) -> None:
    assert run_times.choose_demand(["short", "long"], [busy(0.15, 15)], {}, 256).per_type == {"short": 10}
    assert run_times.choose_demand(["short"], [IDLE], {"short": 15}, 256).per_type == {"short": 10}


def test_what_waits_for_a_slot_takes_the_place_of_what_could_be_asked_for(run_times: RunTimes) -> None:
    assert run_times.choose_demand(["short", "long"], [IDLE], {"long": 1}, 256) == ClaimDemand({}, 0)


def test_a_slot_busy_beyond_the_horizon_has_no_room(run_times: RunTimes) -> None:
    assert run_times.choose_demand(["short"], [busy(0.01, 1, elapsed=0.3)], {}, 256).total == 0


def test_the_bound_holds(run_times: RunTimes) -> None:
    assert run_times.choose_demand(["short"], [IDLE, IDLE, IDLE], {}, 40) == ClaimDemand({"short": 40}, 40)


def test_one_long_run_makes_a_type_long_until_short_ones_follow(run_times: RunTimes) -> None:
    run_times.observe("short", 2.0)
    assert not run_times.is_short("short")
    for _ in range(10):
        run_times.observe("short", 0.001)
    assert run_times.is_short("short")


def test_a_task_is_never_thought_to_take_no_time() -> None:
    run_times = RunTimes(horizon=0.25)
    run_times.observe("null", 0.0)
    assert run_times.choose_demand(["null"], [IDLE], {}, 10_000).total == 2500


def running(first: float, elapsed: float) -> SlotLoad:
    return SlotLoad(1, 0.25 if first == math.inf else first, elapsed, first)


def test_one_long_task_is_wanted_ahead_when_the_one_that_runs_is_about_to_end(run_times: RunTimes) -> None:
    assert run_times.choose_demand(["long"], [running(30.0, 29.8)], {}, 256) == ClaimDemand({"long": 1}, 1)
    assert run_times.choose_demand(["long"], [running(30.0, 29.7)], {}, 256).total == 0
    assert run_times.choose_demand(["long"], [running(30.0, 29.8)], {"long": 1}, 256).total == 0
    assert run_times.choose_demand(["long"], [running(30.0, 29.8)] * 2, {"long": 1}, 256).total == 1


@pytest.mark.parametrize("slot", [running(30.0, 30.1), running(math.inf, 0.1), running(math.inf, 100.0)])
def test_nothing_is_wanted_ahead_where_nobody_knows_when_the_slot_is_free(run_times: RunTimes, slot: SlotLoad) -> None:
    assert run_times.choose_demand(["long", "short", "new"], [slot], {}, 256).total == 0


def test_the_longer_inputs_take_the_earlier_work_is_wanted(run_times: RunTimes) -> None:
    run_times.observe_fetch("long", 2.0)
    run_times.observe_fetch("short", 1.0)
    assert run_times.choose_demand(["long"], [running(30.0, 27.9)], {}, 256).total == 1
    assert run_times.choose_demand(["long"], [running(30.0, 27.7)], {}, 256).total == 0
    assert run_times.choose_demand(["short"], [IDLE], {}, 256).per_type == {"short": 125}


def test_what_is_shorter_than_its_inputs_take_is_short(run_times: RunTimes) -> None:
    run_times.observe("middling", 0.5)
    assert not run_times.is_short("middling")
    run_times.observe_fetch("middling", 1.0)
    assert run_times.is_short("middling")
    assert run_times.choose_demand(["middling"], [IDLE], {}, 256).per_type == {"middling": 2}


def test_however_long_inputs_take_work_is_not_hoarded(run_times: RunTimes) -> None:
    run_times.observe_fetch("long", 3600.0)
    run_times.observe_fetch("long", 3600.0)
    assert run_times.ahead("long") <= 0.25 + LONGEST_LEAD
    run_times.observe_fetch("new", 3.0)
    assert run_times.choose_demand(["new"], [IDLE], {}, 256).per_type == {"new": 1}


def test_a_long_task_that_waits_for_one_slot_does_not_starve_the_other(run_times: RunTimes) -> None:
    loads = [running(30.0, 29.9), running(0.01, 0.0)]
    assert run_times.choose_demand(["short"], loads, {"long": 1}, 256).per_type["short"] >= 10


def test_nothing_waits_behind_a_type_whose_runs_made_others_be_handed_back(run_times: RunTimes) -> None:
    run_times.observe_delay("short")
    load = SlotLoad(1, 0.01, 0.0, 0.01, steady=run_times.is_steady("short"))
    assert run_times.choose_demand(["short", "long"], [load], {}, 256).total == 0
    assert run_times.room(load, "long") == 0
    assert run_times.choose_demand(["short", "long"], [IDLE], {}, 256) == ClaimDemand({"short": 1, "long": 1}, 1)
    assert not run_times.is_short("short")


def test_it_is_trusted_again_after_some_runs_and_later_each_time(run_times: RunTimes) -> None:
    needed = []
    for _ in range(12):
        run_times.observe_delay("short")
        runs = 0
        while not run_times.is_steady("short"):
            run_times.observe("short", 0.01)
            runs += 1
        needed.append(runs)
    assert needed[:4] == [16, 32, 64, 128]
    assert needed[-1] == 4096


def test_other_types_are_asked_for_as_before(run_times: RunTimes) -> None:
    run_times.observe_delay("long")
    assert run_times.choose_demand(["short"], [IDLE], {}, 256).per_type == {"short": 25}
