"""Over-long records are cut with a mark and never refused; what no column takes becomes text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from eas.contracts.logs import MAX_MESSAGE_LENGTH, LogQuery, LogRecord, cut_log_text
from eas.contracts.values import MAX_LEVELS, find_value_fault
from eas_logging.domain.record import bound_record


def record(**fields: Any) -> LogRecord:
    return LogRecord(
        **{
            "stream": "w:1:1",
            "sequence": 0,
            "time": datetime(2026, 3, 1, tzinfo=UTC),
            "level": 20,
            "message": "period found",
            **fields,
        }
    )


def test_a_record_that_fits_is_left_alone() -> None:
    given_record = record(message="x" * MAX_MESSAGE_LENGTH, arguments=[1, "two", None])
    assert bound_record(given_record) is given_record


def test_a_message_keeps_its_beginning_and_a_traceback_its_end() -> None:
    bounded = bound_record(
        record(message="start" + "x" * 100_000, template="t" * 70_000, traceback="x" * 100_000 + "end")
    )
    assert len(bounded.message) <= MAX_MESSAGE_LENGTH
    assert bounded.message.startswith("startxxx")
    assert "characters cut" in bounded.message[-48:]
    assert bounded.template is not None
    assert len(bounded.template) <= MAX_MESSAGE_LENGTH
    assert bounded.traceback is not None
    assert len(bounded.traceback) <= MAX_MESSAGE_LENGTH
    assert bounded.traceback.endswith("xxxend")
    assert "characters cut" in bounded.traceback[:48]


def test_the_mark_says_how_much_is_missing() -> None:
    cut = cut_log_text("a" * 70_000)
    assert len(cut.rstrip("]").split("[…")[0]) + int(cut.split("[… ")[1].split()[0]) == 70_000


@pytest.mark.parametrize(
    "arguments",
    [[10**30], ["x" * 50_000, "y" * 50_000, "z"], [{"deep": [[[[10**40]]]]}]],
    ids=["huge", "long", "nested"],
)
def test_arguments_that_no_column_takes_become_text(arguments: list[Any]) -> None:
    bounded = bound_record(record(arguments=arguments))
    assert bounded.arguments is not None
    assert all(isinstance(argument, str) for argument in bounded.arguments)
    assert len(orjson.dumps(bounded.arguments)) < MAX_MESSAGE_LENGTH + 200


Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


@settings(deadline=None, max_examples=50)
@given(st.lists(Json))
def test_whatever_json_the_arguments_are_they_can_be_stored(arguments: list[Any]) -> None:
    orjson.dumps(bound_record(record(arguments=arguments)).arguments)


@pytest.mark.parametrize(("word", "number"), [("debug", 10), ("WARNING", 30), ("critical", 50), ("35", 35), (0, 0)])
def test_a_level_is_a_number_or_a_word(word: object, number: int) -> None:
    assert LogQuery.model_validate({"min_level": word}).min_level == number


@pytest.mark.parametrize(
    "wrong",
    [
        {"time": "2026-03-01T12:00:00"},
        {"time": "0001-01-01T00:00:00+14:00"},
        {"time": "9999-12-31T23:59:59-14:00"},
        {"sequence": -1},
        {"attempt_id": 2**63},
        {"level": 101},
        {"level": "loud"},
        {"stream": "x" * 129},
    ],
)
def test_a_record_that_could_not_be_stored_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        record(**wrong)


def nest(levels: int, inner: Any = 1) -> Any:
    for _ in range(levels):
        inner = [inner]
    return inner


@pytest.mark.parametrize(
    "value",
    [nest(MAX_LEVELS), nest(190), nest(1_000), 2**63, 2**64 - 1, {"a": [-(2**70)]}],
    ids=["65 levels", "190 levels", "1000 levels", "2^63", "2^64-1", "-2^70 inside"],
)
def test_what_no_other_service_takes_becomes_text(value: Any) -> None:
    bounded = bound_record(record(fields={"bad": value, "good": [1, {"a": 2}]}, arguments=[value, 1]))
    assert bounded.fields is not None
    assert isinstance(bounded.fields["bad"], str)
    assert bounded.fields["good"] == [1, {"a": 2}] or isinstance(bounded.fields["good"], str)
    assert bounded.arguments is not None
    assert isinstance(bounded.arguments[0], str)
    assert find_value_fault(bounded.fields) is None
    assert find_value_fault(bounded.arguments) is None


@pytest.mark.parametrize(
    "value",
    [nest(MAX_LEVELS - 2), nest(1, list(range(1000))), [{}] * 200, 2**63 - 1, 0.12345678901234568],
    ids=["levels", "items", "brackets", "integer", "digits"],
)
def test_what_all_take_is_left_alone(value: Any) -> None:
    given_record = record(fields={"a": value}, arguments=[value])
    assert bound_record(given_record) is given_record
