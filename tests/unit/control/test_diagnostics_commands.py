"""Diagnostics as users see them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from eas.contracts.diagnostics import (
    OUTCOME_COLUMNS,
    JobEnd,
    ResultTable,
    ResultTables,
    StateChange,
    WhyCode,
    WhyView,
)
from eas.contracts.states import JobState, TaskState
from eas_control.views.diagnostics import describe_change, describe_why, tabulate, write_csv

AT = datetime(2026, 1, 1, tzinfo=UTC)


def page(job_id: int, names: list[str], *rows: list[object], following: str | None = None) -> ResultTables:
    table = {
        "job_id": job_id,
        "job_name": "j",
        "task_type": "tls",
        "columns": [*names, *OUTCOME_COLUMNS],
        "rows": rows,
    }
    return ResultTables(tables=[ResultTable.model_validate(table)], next_after=following)


def change(event_id: int, after: str) -> StateChange:
    return StateChange(
        event_id=event_id,
        job_id=1,
        task_id=2,
        attempt_id=3,
        task_type="null",
        task_name="a\x1b[31m",
        before=None,
        after=after,
        reason=None,
        at=AT,
    )


def render(found: Table | Text) -> str:
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(found, soft_wrap=True)
    return capture.get()


def test_tables_of_different_jobs_share_one_heading() -> None:
    found = page(1, ["radius"], [0.5, "PASS", 10, 20])
    found.tables += page(2, ["period"], [3, "FAIL", 11, 21]).tables
    head, first, second = render(tabulate(found)).splitlines()
    assert head.split() == ["job", "job", "name", "type", "period", "radius", "outcome", "task", "attempt"]
    assert first.split() == ["1", "j", "tls", "-", "0.5", "PASS", "10", "20"]
    assert second.split() == ["2", "j", "tls", "3", "-", "FAIL", "11", "21"]


def test_csv_keeps_the_names_of_the_columns(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    write_csv(page(1, ["name"], ['say "hi", twice', "PASS", 10, 20], [None, "FAIL", 11, 21]))
    assert capsysbinary.readouterr().out.decode().split("\r\n") == [
        "job_id,job_name,task_type,name,outcome,task_id,attempt_id",
        '1,j,tls,"say ""hi"", twice",PASS,10,20',
        "1,j,tls,,FAIL,11,21",
        "",
    ]


def test_words_of_unknown_origin_do_not_command_the_terminal() -> None:
    why = WhyView(
        task_id=2,
        job_id=1,
        task_type="null",
        name="a\x1b",
        state=TaskState.FAILED,
        code=WhyCode.FAILED,
        words="It failed: \x1b[2J.",
    )
    assert render(describe_why(why)).strip() == r"task 2 a\x1b (null, job 1) is failed. It failed: \x1b[2J."
    assert r"task 2 a\x1b[31m (null) attempt 3: running" in render(describe_change(change(1, "running")))
    assert render(describe_change(JobEnd(job_id=1, state=JobState.DONE))) == "job 1 is done\n"
