"""Changes of settings, put over each other."""

from __future__ import annotations

from eas_scheduler.domain.changed_settings import find_faults, merge_changes
from eas_scheduler.domain.job_language.expressions import Scope
from eas_scheduler.domain.task_settings import TaskTypeSpecification

SCHEMA = {
    "type": "object",
    "properties": {"period": {"anyOf": [{"type": "number"}, {"type": "null"}]}},
    "additionalProperties": True,
}
SEARCH = TaskTypeSpecification("search", "1", SCHEMA, {}, {})


def test_later_changes_win_and_null_takes_one_back() -> None:
    assert merge_changes({"a": 1, "b": 2}, {"b": 3, "c": {"d": None}}) == {"a": 1, "b": 3, "c": {"d": None}}
    assert merge_changes({"a": 1}, {"a": None, "z": None}) == {}


def test_a_null_can_be_written_as_an_expression() -> None:
    changed = merge_changes({}, {"period": "(None)"})
    assert list(find_faults(SEARCH, {"task": "search", "period": 3}, changed, Scope({}, {}, 1))) == []


def test_keys_of_every_task_object_cannot_be_changed_even_where_the_type_takes_any_key() -> None:
    faults = list(find_faults(SEARCH, {"task": "search"}, {"outputs": {}, "period": "x"}, Scope({}, {}, 1)))
    assert [(fault.slug, fault.where) for fault in faults] == [
        ("invalid_key", "body.settings.outputs"),
        ("invalid_setting", "body.settings.period"),
    ]
