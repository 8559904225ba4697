"""What terminals show: no more than the services said, and nothing that a terminal would obey."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console, RenderableType

from eas.contracts.logs import StoredRecord
from eas.contracts.products import ProductView
from eas.contracts.scheduler import (
    DeferredPlace,
    EstimateView,
    JobPlan,
    JobView,
    ResultView,
    TaskCounts,
    TaskLine,
    WorkerView,
)
from eas.contracts.states import FailureReason, JobState, TaskState
from eas_control.domain.discoveries import gather_discoveries
from eas_control.views.discoveries import tabulate_candidates, tabulate_recovery
from eas_control.views.tables import (
    describe_job,
    tabulate_jobs,
    tabulate_plan,
    tabulate_products,
    tabulate_results,
    tabulate_workers,
    write_records,
)
from eas_control.views.text import metadata_text, number_text, plain
from eas_control.views.tree import write_tree

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def render(*found: RenderableType) -> list[str]:
    console = Console(width=220, highlight=False, markup=False, emoji=False)
    with console.capture() as capture:
        for item in found:
            console.print(item, soft_wrap=not hasattr(item, "columns"))
    return [line.rstrip() for line in capture.get().splitlines()]


def job(name: str = "campaign") -> JobView:
    return JobView(
        job_id=7,
        name=name,
        state=JobState.FAILED,
        working_directory="",
        counts=TaskCounts(done=3, failed=1, blocked=2),
        root_task_id=1,
        submitted_at=NOON,
        submitted_by="user",
    )


def result(task_id: int, task_type: str, metadata: dict[str, Any], **inherited: Any) -> ResultView:
    outcome = metadata.get("outcome")
    return ResultView(
        task_id=task_id,
        task_type=task_type,
        name=None,
        state=TaskState.DONE,
        outcome=outcome,
        inherited=inherited,
        metadata=metadata,
    )


def test_a_job_is_described_with_the_counts_that_are_not_zero() -> None:
    assert render(describe_job(job())) == ["job 7 campaign: failed (3 done, 1 failed, 2 blocked)"]


def test_a_paused_job_says_so_until_it_has_ended() -> None:
    paused = job().model_copy(update={"paused": True, "state": JobState.RUNNING})
    assert render(describe_job(paused)) == ["job 7 campaign: paused (3 done, 1 failed, 2 blocked)"]
    assert render(describe_job(paused.model_copy(update={"state": JobState.DONE})))[0].startswith(
        "job 7 campaign: done"
    )


def test_a_plan_shows_sums_and_where_more_will_follow() -> None:
    place = DeferredPlace(where="$.task_list[1]", task_type="execution_for_loop", tasks=3)
    plan = JobPlan(tasks=9, products=2, task_types={"make": 2, "null": 7}, deferred=[place])
    assert [line.split() for line in render(tabulate_plan(plan))] == [
        ["type", "tasks"],
        ["make", "2"],
        ["null", "7"],
        ["all", "tasks", "9"],
        ["products", "2"],
        ["more", "at", "$.task_list[1]", "(execution_for_loop)", "3", "times"],
    ]


def test_a_plan_shows_what_settings_tell_beforehand() -> None:
    common: dict[str, Any] = {"quantity": "processor time", "unit": "s", "where": "$.task_list[0]"}
    found = EstimateView(task_type="search", tasks=20, largest=9e3, total=1e5, condition="on one core", **common)
    plan = JobPlan(tasks=9, products=2, task_types={}, deferred=[], estimates=[found])

    last = render(tabulate_plan(plan))[-1]

    assert last.split("  ")[0] == "processor time of search on one core"
    assert last.endswith("27.8 h, at most 2.5 h a task")


def test_workers_show_why_they_pause_and_how_far_their_clocks_are_off() -> None:
    common: dict[str, Any] = {"host": "h", "process_id": 1, "slots": 1, "running": 0, "gone": False}
    common |= {"announced_at": NOON, "last_heard_at": NOON}
    found = [
        WorkerView(worker_id="a", **common, paused="its disk is full: 88 MB are missing", clock_offset=-37.25),
        WorkerView(worker_id="b", **common),
        WorkerView(worker_id="c", **common, clock_offset=-0.01),
    ]
    *_, paused, well, exact = render(tabulate_workers(found))
    assert exact.endswith("+0.0 s  here")
    assert paused.endswith("-37.2 s  paused: its disk is full: 88 MB are missing")
    assert well.endswith("-  here")


def test_names_cannot_command_the_terminal() -> None:
    name = "\x1b[31m[bold]red[/bold]\r"
    (_, line) = render(tabulate_jobs([job(name)]))
    assert "\\x1b[31m[bold]red[/bold]\\x0d" in line


def test_results_show_what_was_found_against_what_was_injected() -> None:
    found = {"period": 3.69954321, "target_period": 3.7, "transit_depth": 1.5e-4, "sde": 12.3456, "outcome": "PASS"}

    (_, line) = render(tabulate_results([result(4, "transit_search_tls", found, radius=0.5, radius_index=2)]))

    assert line.split() == [
        *("4", "transit_search_tls", "-", "radius=0.5", "3.69954", "3.7", "150", "12.35", "PASS", "done"),
    ]


def test_a_tree_is_indented_and_names_each_loop_variable_where_it_is_new() -> None:
    common: dict[str, Any] = {"name": None, "state": TaskState.DONE}
    lines = [
        TaskLine(task_id=1, parent_id=None, level=0, task_type="execution_for_loop", **common),
        TaskLine(
            task_id=2, parent_id=1, level=1, task_type="execution_chain", metadata={"r": 1, "r_index": 0}, **common
        ),
        TaskLine(
            task_id=3,
            parent_id=2,
            level=2,
            task_type="error",
            name="make",
            state=TaskState.FAILED,
            metadata={"r": 1, "r_index": 0},
            attempts=2,
            reason=FailureReason.SCIENCE,
            message="too faint\nsecond line",
        ),
    ]
    assert render(*write_tree(lines)) == [
        "1 execution_for_loop  done",
        "  2 execution_chain r=1  done",
        "    3 error 'make'  failed  (2 attempts)  science: too faint",
    ]


def test_a_planned_product_has_no_bytes_yet() -> None:
    product = ProductView(
        product_id=1,
        directory="dir",
        filename="a.npz",
        semantic_type="lightcurve",
        mime_type=None,
        generator_task_id=2,
        job_id=3,
        planned_at=NOON,
    )
    (_, line) = render(tabulate_products([product]))
    assert line.split() == ["1", "dir/a.npz", "lightcurve", "0", "-", "-", "-", "planned"]


def test_a_record_is_shown_with_its_traceback() -> None:
    record = StoredRecord(
        record_id=1,
        attempt_id=5,
        task_id=4,
        stream="w",
        sequence=0,
        time=NOON,
        level=40,
        message="it failed\x07",
        traceback="Traceback\n  ValueError",
    )
    lines = render(*write_records([record]))
    assert lines[0].endswith("task 4 attempt 5 error    it failed\\x07")
    assert lines[1:] == ["    Traceback", "      ValueError"]


def test_the_demonstration_puts_what_belongs_together_into_one_line() -> None:
    results = [
        result(5, "synthesis_batman", {"orbital_period": 3.7, "injected_depth": 1e-4, "mes": 20.0}, r=2, r_index=1),
        result(6, "transit_search_bls_reference", {"period": 3.6995, "outcome": "PASS"}, r=2, r_index=1),
        result(2, "transit_search_tls", {"period": 1.2, "sde": 5.0, "outcome": "FAIL"}, r=1, r_index=0),
        result(9, "null", {}),
    ]

    discoveries = gather_discoveries(results, "r")

    _, first, second = render(tabulate_recovery(discoveries))
    assert first.split() == ["1", "-", "-", "-", "-", "-", "1.2", "-", "5", "FAIL"]
    assert second.split() == ["2", "3.7", "100", "20", "3.6995", "PASS", "-", "-", "-", "-"]
    assert len(render(tabulate_candidates(discoveries))) == 3


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.1 + 0.2, "0.3"), (5, "5"), (True, "True"), ("a\nb", "a\\x0ab")]
)
def test_values_are_written_shortly(value: object, text: str) -> None:
    assert number_text(value) == text


def test_indices_are_left_out_beside_their_variable_only() -> None:
    assert metadata_text({"r": 1, "r_index": 0, "lonely_index": 3}) == "r=1 lonely_index=3"
    assert plain("ä\u202eb") == "ä\\x202eb"


def test_a_tree_shows_the_error_of_a_traceback() -> None:
    message = 'Traceback (most recent call last):\n  File "a.py", line 3, in f\n    g()\nValueError: no flux'
    line = TaskLine(
        task_id=1,
        parent_id=None,
        level=0,
        task_type="error",
        name=None,
        state=TaskState.FAILED,
        reason=FailureReason.SCIENCE,
        message=message,
    )
    assert render(*write_tree([line])) == ["1 error  failed  science: ValueError: no flux"]
