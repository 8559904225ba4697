"""Log arguments as JSON: numbers stay numbers, everything else becomes text, and nothing raises."""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import orjson
import pytest

from eas.journal.arguments import MAX_ARGUMENTS, MAX_TEXT, plain_arguments


class Color(IntEnum):
    RED = 3


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__


class Ruder(Rude):
    def __len__(self) -> int:
        raise RuntimeError("no")

    def __index__(self) -> int:
        raise RuntimeError("no")

    def __float__(self) -> float:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (1, 1),
        (True, True),
        (None, None),
        (2.5, 2.5),
        ("text", "text"),
        (Color.RED, 3),
        (np.int64(7), 7),
        (np.uint64(2**64 - 1), "18446744073709551615"),
        (np.float64(0.5), 0.5),
        (np.True_, True),
        (np.float32(0.5), 0.5),
        (np.str_("TOI-540"), "TOI-540"),
        (Decimal("1.5"), 1.5),
        (Fraction(1, 4), 0.25),
        (2**80, str(2**80)),
        (float("nan"), "nan"),
        (np.float64("-inf"), "-inf"),
        (PurePosixPath("a/b"), "PurePosixPath('a/b')"),
        ([1, 2], "[1, 2]"),
        (np.array([1.5, 2.5]), "array([1.5, 2.5])"),
        (b"raw", "b'raw'"),
    ],
)
def test_values_keep_their_meaning(value: object, plain: object) -> None:
    found = plain_arguments((value,))
    assert found == [plain]
    assert type(found[0]) is type(plain)


@pytest.mark.parametrize(
    "value", [Rude(), Ruder(), [Rude()], {1: Ruder()}, pytest.param(10**5000, id="huge"), str.upper]
)
def test_no_argument_can_do_harm(value: object) -> None:
    found = plain_arguments((value,))
    assert found is not None
    assert isinstance(found[0], str)
    orjson.dumps(found)


def test_a_list_that_contains_itself_ends() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert len(str(plain_arguments((endless,)))) < 2 * MAX_TEXT


def test_long_texts_and_many_arguments_are_cut_with_a_mark() -> None:
    found = plain_arguments(("x" * 5000, *range(100)))
    assert found is not None
    assert found[0].startswith("x" * MAX_TEXT + "[…")
    assert len(found) == MAX_ARGUMENTS + 1
    assert "more" in found[-1]


def test_a_mapping_stays_one() -> None:
    assert plain_arguments({"period": 3.8, 5: "x"}) == [{"period": 3.8, "5": "x"}]


def test_no_arguments_are_none() -> None:
    assert plain_arguments(()) is None
    assert plain_arguments(None) is None
