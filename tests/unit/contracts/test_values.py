"""What a value may be: the same at every door, found in one pass, with its place."""

from __future__ import annotations

import time
from collections import OrderedDict
from enum import IntEnum, StrEnum
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from eas.contracts.texts import MAX_MESSAGE, MAX_REASON, Message, Reason, cut_text
from eas.contracts.values import MAX_KEYS, MAX_LEVELS, CheckedObject, Natural, find_value_fault


def nest(levels: int, inner: Any = 1) -> Any:
    """Put a value inside so many lists."""
    for _ in range(levels):
        inner = [inner]
    return inner


def find(value: Any, **limits: Any) -> tuple[str, str] | None:
    fault = find_value_fault(value, **limits)
    return None if fault is None else (fault.slug, fault.where)


class Colour(IntEnum):
    RED = 3


class Word(StrEnum):
    GOOD = "good"


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -0.0, "", "NUL \0 and ü", [], {}, 2**63 - 1, -(2**63), 1.7976931348623157e308, 5e-324,
        {"a": [1, {"b": (2, "x")}]}, OrderedDict(a=1), Colour.RED, Word.GOOD, nest(MAX_LEVELS), {"": 1},
        {"k" * 256: 1}, {str(number): number for number in range(MAX_KEYS)},
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_all_bear_is_sound(value: Any) -> None:
    assert find(value) is None
    assert find({"inside": [value]}, levels=MAX_LEVELS + 2) is None


@pytest.mark.parametrize(
    ("value", "slug"),
    [
        (2**63, "invalid_number"),
        (2**64, "invalid_number"),
        (-(2**63) - 1, "invalid_number"),
        (10**10_000, "invalid_number"),
        (float("nan"), "not_finite"),
        (float("inf"), "not_finite"),
        (1e308 * -10, "not_finite"),
        ("\ud800", "invalid_text"),
        ("a\udfff b", "invalid_text"),
        (1j, "invalid_type"),
        (b"bytes", "invalid_type"),
        ({1, 2}, "invalid_type"),
        (object(), "invalid_type"),
        ({1: 2}, "invalid_key"),
        ({None: 2}, "invalid_key"),
        ({"\ud800": 2}, "invalid_key"),
        ({"k" * 257: 1}, "invalid_key"),
        ({str(number): number for number in range(MAX_KEYS + 1)}, "too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isascii() else type(value).__name__,
)
def test_what_one_of_them_cannot_bear_is_found_with_its_place(value: Any, slug: str) -> None:
    assert find(value) == (slug, "")
    assert find({"fit": {"depths": [1.0, value]}}) == (slug, "fit.depths[1]")
    assert find([{"x": (value,)}]) == (slug, "[0].x[0]")


@pytest.mark.parametrize("levels", [MAX_LEVELS + 1, 100, 1_000, 100_000])
def test_too_deep_is_found_quickly_and_without_recursion(levels: int) -> None:
    value = {"tree": nest(levels - 1)}
    begun = time.process_time()
    fault = find_value_fault(value)
    assert time.process_time() - begun < 1
    assert fault is not None
    assert fault.slug == "too_deep"
    assert fault.where == "tree[0][0][0]"
    assert str(MAX_LEVELS) in fault.message


def test_what_is_too_long_in_all_names_its_longest_part() -> None:
    value = {"short": 1, "long": "v" * 1000}
    size = len(orjson.dumps(value))
    assert find(value, most_bytes=size) is None
    assert find(value, most_bytes=size - 1) == ("too_large", "long")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_what_is_sound_is_written_and_read_unchanged(value: Any) -> None:
    fault = find_value_fault(value)
    try:
        same = orjson.loads(orjson.dumps(value)) == value
    except TypeError:
        same = False
    if fault is None:
        assert same
    else:  # a whole number between 2^63 and 2^64 - 1 is the only thing that orjson has and databases have not
        assert not same or "64 bits" in fault.message


class Model(BaseModel):
    settings: CheckedObject = {}
    number: Natural = 0
    reason: Reason = ""
    message: Message = ""


@pytest.mark.parametrize("value", [nest(MAX_LEVELS), 2**63, "\ud800", float("nan")], ids=["deep", "big", "text", "nan"])
def test_a_wire_model_refuses_an_unsound_object_with_the_place(value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        Model.model_validate({"settings": {"specs": value}})
    (problem,) = caught.value.errors()
    assert problem["loc"] == ("settings",)
    assert problem["msg"].startswith("specs")


@pytest.mark.parametrize("number", [-1, 2**63, 2**64])
def test_a_wire_model_refuses_numbers_that_no_database_has(number: int) -> None:
    with pytest.raises(ValidationError):
        Model(number=number)


def test_reasons_and_messages_are_cut_and_never_refused() -> None:
    cut = Model(reason="r" * 100_000 + "end", message="m" * 100_000 + "end")
    assert len(cut.reason) <= MAX_REASON
    assert cut.reason.startswith("rrr")
    assert "characters cut" in cut.reason
    assert len(cut.message) <= MAX_MESSAGE
    assert cut.message.endswith("mend")
    exact = Model(reason="r" * MAX_REASON, message="m" * MAX_MESSAGE)
    assert (exact.reason, exact.message) == ("r" * MAX_REASON, "m" * MAX_MESSAGE)


@given(st.text(), st.integers(100, 200), st.booleans())
def test_a_cut_text_has_at_most_its_length(text: str, most: int, keep_end: bool) -> None:
    assert len(cut_text(text * 10, most, keep_end=keep_end)) <= most


def test_the_place_of_what_is_too_deep_is_short() -> None:
    value: Any = 1
    for _ in range(1000):
        value = {"key": [value]}
    fault = find_value_fault(value)
    assert fault is not None
    assert fault.where.startswith("key[0].key[0]")
    assert len(fault.where) <= 160
    assert find_value_fault(nest(100)) is not None
