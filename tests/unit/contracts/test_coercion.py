"""Values that get the type which a JSON Schema means, and those that stay as they are."""

from __future__ import annotations

import copy
import json
from typing import Any, Literal

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from eas.contracts.coercion import coerce

BOOLEAN, INTEGER, NUMBER, TEXT, NULL = ({"type": name} for name in ("boolean", "integer", "number", "string", "null"))


def any_of(*branches: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": list(branches)}


def same(one: Any, other: Any) -> bool:
    """Equal, and of equal types at every depth: 1, 1.0 and true are three things."""
    return json.dumps(one) == json.dumps(other)


@pytest.mark.parametrize(
    ("schema", "given_value", "expected"),
    [
        (BOOLEAN, 0, False),
        (BOOLEAN, 1, True),
        (BOOLEAN, 1.0, True),
        (BOOLEAN, "1", True),
        (BOOLEAN, "False", False),
        (NUMBER, "25", 25.0),
        (NUMBER, " -1e3 ", -1000.0),
        (NUMBER, ".5", 0.5),
        (NUMBER, 25, 25.0),
        (NUMBER, -(2**62) - 1, -(2**62) - 1),
        (INTEGER, 25.0, 25),
        (INTEGER, "25", 25),
        (INTEGER, "1e3", 1000),
        ({"type": ["number", "null"]}, "2.5", 2.5),
        (any_of(NUMBER, NULL), "2.5", 2.5),
        (any_of(NUMBER, NULL), None, None),
        (any_of(NULL, BOOLEAN), 1, True),
        (any_of(INTEGER, NUMBER), 25, 25),
        (any_of(INTEGER, NUMBER), "2.5", 2.5),
        ({"enum": [1, 2, 3]}, "2", 2),
        ({"const": True}, 1, True),
        ({"type": "array", "items": NUMBER}, ["1", 2], [1.0, 2.0]),
        ({"type": "array", "prefixItems": [INTEGER, TEXT], "items": BOOLEAN}, ["1", "2", 1], [1, "2", True]),
        ({"type": "object", "additionalProperties": NUMBER}, {"a": "1"}, {"a": 1.0}),
        (any_of({"type": "object", "additionalProperties": BOOLEAN}, NULL), {"a": 1}, {"a": True}),
        ({"allOf": [{"properties": {"a": BOOLEAN}}, {"properties": {"b": NUMBER}}]}, {"a": 1}, {"a": True}),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": BOOLEAN}}, 1, True),
    ],
)  # fmt: skip
def test_what_is_meant(schema: dict[str, Any], given_value: Any, expected: Any) -> None:
    assert same(coerce(schema, given_value), expected)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (TEXT, "25"),
        (TEXT, 25),
        (any_of(NUMBER, TEXT), "25"),
        ({"type": ["string", "boolean"]}, "1"),
        ({"enum": ["0", "1"]}, "1"),
        (BOOLEAN, 2),
        (BOOLEAN, "yes"),
        (BOOLEAN, None),
        (NUMBER, True),
        (INTEGER, 25.5),
        (INTEGER, "25.5"),
        (INTEGER, 1e300),
        (NUMBER, "nan"),
        (NUMBER, "inf"),
        (NUMBER, "1e999"),
        (NUMBER, "1_000"),
        (NUMBER, "0x10"),
        (NUMBER, ""),
        (NUMBER, "9" * 60),
        (NUMBER, "9" * 6000),
        (NUMBER, "٣"),
        ({}, "25"),
        (True, "25"),
        ({"$ref": "https://example.org/schema"}, "25"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, "25"),
        ({"$ref": "#/$defs/missing"}, "25"),
    ],
)
def test_what_stays_as_it_is(schema: Any, value: Any) -> None:
    assert same(coerce(schema, value), value)


class Inner(BaseModel):
    radius: float = Field(ge=0)
    enabled: bool = True


class Other(BaseModel):
    kind: Literal["other"]
    count: int


class Settings(BaseModel):
    inner: Inner
    either: Inner | Other | None = None
    mode: int | str = 0
    pairs: list[tuple[float, bool]] = []
    table: dict[str, int] = {}


def test_the_schema_of_a_class_is_followed_at_every_depth() -> None:
    given_value = {
        "inner": {"radius": "1e-1", "enabled": 0},
        "either": {"kind": "other", "count": 3.0},
        "mode": "7",
        "pairs": [[1, 1], ["2", "false"]],
        "table": {"a": "4"},
    }
    before = copy.deepcopy(given_value)
    found = coerce(Settings.model_json_schema(), given_value)
    assert same(
        found,
        {
            "inner": {"radius": 0.1, "enabled": False},
            "either": {"kind": "other", "count": 3},
            "mode": "7",
            "pairs": [[1.0, True], [2.0, False]],
            "table": {"a": 4},
        },
    )
    assert same(given_value, before)
    assert Settings.model_validate(found, strict=False).model_dump(mode="json") == found


@given(
    st.sampled_from([BOOLEAN, INTEGER, NUMBER, TEXT, any_of(NUMBER, NULL), any_of(INTEGER, TEXT)]),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=5,
    ),
)
def test_what_the_schema_allows_stays_allowed_and_a_second_time_changes_nothing(schema: Any, value: Any) -> None:
    found = coerce(schema, value)
    validator = jsonschema_rs.validator_for(schema)
    if validator.is_valid(value):
        assert validator.is_valid(found)
        assert found == value
    assert same(coerce(schema, found), found)
