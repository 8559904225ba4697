"""Quality control that every task type gets, and metadata in plain values."""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eas.authoring.quality import (
    MetadataError,
    ProducedFile,
    describe_rejection,
    inspect_outputs,
    judge_slot,
    plain_metadata,
)
from eas.authoring.task_type import Verdict

GOOD = ProducedFile("lightcurve", 100, {"period": 3.5})


def complaints(files: list[ProducedFile], metadata: dict[str, object] | None = None) -> str | None:
    return describe_rejection(inspect_outputs(["lightcurve"], files, metadata or {}))


def test_what_was_promised_and_is_there_passes() -> None:
    assert complaints([GOOD], {"outcome": "PASS"}) is None


@pytest.mark.parametrize(
    ("files", "metadata", "words"),
    [
        ([], {}, "lightcurve: the task did not write this output"),
        ([ProducedFile("lightcurve", None, {})], {}, "lightcurve: the file does not exist"),
        ([ProducedFile("lightcurve", 0, {})], {}, "lightcurve: the file is empty"),
        ([GOOD, GOOD], {}, "lightcurve: was handed over twice"),
        ([ProducedFile("lightcurve", 1, {"mes": float("inf")})], {}, "lightcurve: metadata mes is not finite"),
        ([GOOD], {"fit": {"depths": [1.0, float("nan")]}}, "metadata fit.depths[1] is not finite"),
    ],
)
def test_what_is_wrong_is_said(files: list[ProducedFile], metadata: dict[str, object], words: str) -> None:
    assert complaints(files, metadata) == words


def test_all_reasons_are_listed() -> None:
    assert complaints([], {"x": float("nan")}) == (
        "lightcurve: the task did not write this output; metadata x is not finite"
    )


def test_a_no_to_the_attempt_is_a_no_to_every_output() -> None:
    verdicts = [Verdict(passed=True, slot="a", reason="fine"), Verdict(passed=False, reason="wrong star")]
    assert judge_slot("a", verdicts) == (False, "wrong star")
    assert judge_slot("a", verdicts[:1]) == (True, "fine")
    assert judge_slot("b", verdicts[:1]) == (True, "")


class Outcome(StrEnum):
    PASS = "PASS"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array([1, 2]), [1, 2]),
        ((1, "a"), [1, "a"]),
        (Outcome.PASS, "PASS"),
        ({"a": {1: np.int8(2)}}, {"a": {"1": 2}}),
        ("a\udc80b", "a\\udc80b"),
    ],
)
def test_values_become_plain_and_keep_their_kind(value: object, plain: object) -> None:
    found = plain_metadata({"x": value})["x"]
    assert found == plain
    assert type(found) is type(plain)


@pytest.mark.parametrize("value", [object(), Fraction(1, 3), {1, 2}, b"bytes"])
def test_what_has_no_json_form_is_refused_with_its_place(value: object) -> None:
    with pytest.raises(MetadataError, match=r"metadata fit\.x\[0\]: \w+ has no JSON form"):
        plain_metadata({"fit": {"x": [value]}})


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), json_values))
def test_plain_values_are_left_as_they_are(metadata: dict[str, object]) -> None:
    assert plain_metadata(metadata) == metadata
