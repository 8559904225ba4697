"""Rules about products, their metadata and how they are named to a browser."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eas.contracts.errors import InvalidInputError, ProductExistsError, TooLargeError
from eas_product_store.domain.descriptions import read_metadata
from eas_product_store.domain.product import Promise, Standing, choose_mime_type, judge_promise
from eas_product_store.domain.selection import check_glob
from eas_product_store.handlers.content import format_disposition


def promise(*, task: int = 1, semantic_type: str = "lightcurve", rerun: bool = False) -> Promise:
    return Promise(
        directory="d",
        filename="f",
        semantic_type=semantic_type,
        mime_type=None,
        generator_task_id=task,
        job_id=9,
        planned_at=datetime(2026, 1, 1, tzinfo=UTC),
        metadata={},
        rerun=rerun,
    )


def test_a_name_belongs_to_one_task_and_one_semantic_type() -> None:
    assert judge_promise(promise(), (), promise(), "here") is Standing.HOLDS
    with pytest.raises(
        ProductExistsError, match="'f' in directory 'd' is already promised by task 1 of job 9"
    ) as caught:
        judge_promise(promise(), (), promise(task=2), "here")
    assert caught.value.where == "here"
    with pytest.raises(ProductExistsError, match="as 'lightcurve', not as 'report'"):
        judge_promise(promise(), (), promise(semantic_type="report"), "here")


def test_a_re_run_takes_a_name_over_once_and_the_earlier_task_keeps_its_place() -> None:
    assert judge_promise(promise(), (), promise(task=2, rerun=True), "here") is Standing.TAKES_OVER
    assert judge_promise(promise(task=2), {1}, promise(), "here") is Standing.MAY_STORE
    assert judge_promise(promise(task=3), {1, 2}, promise(task=2, rerun=True), "here") is Standing.MAY_STORE
    with pytest.raises(ProductExistsError, match="as 'lightcurve', not as 'report'"):
        judge_promise(promise(), (), promise(task=2, rerun=True, semantic_type="report"), "here")


def test_a_plan_may_come_after_that_of_the_re_run_that_took_the_name_over() -> None:
    assert judge_promise(promise(task=2, rerun=True), (), promise(), "here") is Standing.MAY_STORE
    with pytest.raises(ProductExistsError, match="promised by task 2"):
        judge_promise(promise(task=2), (), promise(), "here")
    with pytest.raises(ProductExistsError, match="promised by task 2"):
        judge_promise(promise(task=2, rerun=True), (), promise(task=3), "here")


def test_of_re_runs_the_last_planned_holds_the_name_in_whatever_order_they_arrive() -> None:
    second, third = promise(task=2, rerun=True), promise(task=3, rerun=True)
    assert judge_promise(third, {1}, second, "here") is Standing.MAY_STORE
    assert judge_promise(second, {1}, third, "here") is Standing.TAKES_OVER
    assert judge_promise(second, {1, 3}, third, "here") is Standing.TAKES_OVER


def test_a_version_takes_no_name_from_a_later_plan() -> None:
    version = replace(promise(task=2, rerun=True), planned=False)
    assert judge_promise(promise(task=3, rerun=True), {1}, version, "here") is Standing.MAY_STORE
    assert judge_promise(promise(task=1), (), version, "here") is Standing.TAKES_OVER


def test_what_no_job_planned_may_get_another_semantic_type_when_it_is_made_again() -> None:
    found = replace(promise(semantic_type="lightcurve_00001"), planned=False)
    again = promise(task=2, rerun=True, semantic_type="lightcurve_00002")
    assert judge_promise(found, (), again, "here") is Standing.TAKES_OVER
    with pytest.raises(ProductExistsError, match="not as 'lightcurve_00002'"):
        judge_promise(replace(found, planned=True), (), again, "here")


@pytest.mark.parametrize(
    ("announced", "promised", "filename", "expected"),
    [
        ("a/b", "c/d", "x.html", "a/b"),
        (None, "c/d", "x.html", "c/d"),
        (None, None, "x.html", "text/html"),
        (None, None, "x.json", "application/json"),
        (None, None, "x.csv.gz", "application/octet-stream"),
        (None, None, "x", "application/octet-stream"),
    ],
)
def test_mime_type_as_announced_else_promised_else_by_name(
    announced: str | None, promised: str | None, filename: str, expected: str
) -> None:
    assert choose_mime_type(announced, promised, filename) == expected


def test_metadata_keeps_its_types() -> None:
    text = json.dumps({"index": 0, "ratio": 0.0, "flag": True, "name": "12", "none": None, "nested": {"é": [1, 2.5]}})
    found = read_metadata(text, "here")
    assert found == json.loads(text)
    assert {name: type(value) for name, value in found.items()} == {
        "index": int,
        "ratio": float,
        "flag": bool,
        "name": str,
        "none": type(None),
        "nested": dict,
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "1",
        '{"a": NaN}',
        '{"a": [1, Infinity]}',
        '{"a": 1e999}',
        '{"a": 1180591620717411303424}',
        '{"": 1}',
        '{"' + "k" * 65 + '": 1}',
        '{"a": "\\ud800"}',
        '{"a": ' + "[" * 5000 + "]" * 5000 + "}",
        '{"é": 1}',
    ],
)
def test_metadata_that_json_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_metadata(text, "header.EAS-Metadata")
    assert (caught.value.where or "").startswith("header.EAS-Metadata")


def test_metadata_is_bounded() -> None:
    with pytest.raises(TooLargeError, match="at most 32768"):
        read_metadata(json.dumps({"a": "x" * 40_000}), "here")


def test_a_pattern_of_many_stars_is_refused() -> None:
    assert check_glob("lc_*_*.fits", "here") == "lc_*_*.fits"
    assert check_glob(None, "here") is None
    with pytest.raises(InvalidInputError, match="4 stars"):
        check_glob("*a*a*a*a*a", "query.glob")


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("lc.fits", 'inline; filename="lc.fits"'),
        ('a"; x="b', "inline; filename=\"a_; x=_b\"; filename*=UTF-8''a%22%3B%20x%3D%22b"),
        ("λ.html", "inline; filename=\"_.html\"; filename*=UTF-8''%CE%BB.html"),
    ],
)
def test_a_filename_in_a_header(filename: str, expected: str) -> None:
    assert format_disposition(filename) == expected


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_no_filename_breaks_out_of_its_quotes(filename: str) -> None:
    header = format_disposition(filename)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
