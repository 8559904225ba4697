"""Comparisons of metadata: how they are read."""

from __future__ import annotations

import pytest

from eas.contracts.errors import InvalidInputError
from eas_product_store.domain.conditions import MAX_CONDITIONS, MetadataCondition, read_conditions


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metadata.period > 3", MetadataCondition(("period",), ">", 3)),
        ("metadata.period>=3.5", MetadataCondition(("period",), ">=", 3.5)),
        (" metadata.n == -1 ", MetadataCondition(("n",), "=", -1)),
        ("metadata.star = 'HD 1'", MetadataCondition(("star",), "=", "HD 1")),
        ("metadata.star != 'it''s'", MetadataCondition(("star",), "!=", "it's")),
        ('metadata.star = "a\\u00e9"', MetadataCondition(("star",), "=", "aé")),
        ("metadata.found = true", MetadataCondition(("found",), "=", value=True)),
        ("metadata.found = null", MetadataCondition(("found",), "=", None)),
        ("metadata.rms exists", MetadataCondition(("rms",), "exists")),
        ("metadata.rms missing", MetadataCondition(("rms",), "missing")),
        ('metadata.fit."a b".depth < 1', MetadataCondition(("fit", "a b", "depth"), "<", 1)),
    ],
)
def test_a_condition_is_read(text: str, expected: MetadataCondition) -> None:
    assert read_conditions([text], "query.where") == (expected,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "period > 3",
        "metadata.period",
        "metadata.period ~ 3",
        "metadata.period > ",
        "metadata.period > three",
        "metadata.period > NaN",
        "metadata.period > 1e999",
        f"metadata.period > {2**63}",
        "metadata.period > [1]",
        "metadata.found > true",
        "metadata.found < null",
        "metadata.star = 'a' or 'b'",
        "metadata.'x' exists",
        'metadata."a\\"b" exists',
        f"metadata.{'k' * 65} exists",
        "metadata.x = '" + "x" * 2000 + "'",
    ],
)
def test_what_is_no_condition_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_conditions(["metadata.a exists", text], "query.where")
    assert caught.value.where == "query.where[1]"


def test_conditions_are_bounded() -> None:
    with pytest.raises(InvalidInputError, match="at most 16"):
        read_conditions(["metadata.a exists"] * (MAX_CONDITIONS + 1), "query.where")
