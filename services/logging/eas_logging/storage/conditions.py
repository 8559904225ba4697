"""The conditions of a query as SQL."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select

from eas.contracts.logs import LogQuery, LogScope
from eas.database.json_values import compare_json
from eas_logging.domain.field_condition import Comparison, parse_condition
from eas_logging.storage.schema import record_table, stream_table

RECORD = record_table
STREAM = stream_table

_OPERATORS: dict[Comparison, Callable[[Any, Any], ColumnElement[bool]]] = {
    Comparison.EQUAL: operator.eq,
    Comparison.UNEQUAL: operator.ne,
    Comparison.LESS: operator.lt,
    Comparison.AT_MOST: operator.le,
    Comparison.GREATER: operator.gt,
    Comparison.AT_LEAST: operator.ge,
}


def scope_conditions(scope: LogScope) -> list[ColumnElement[bool]]:
    """Make the conditions of a scope. Only the narrowest may use an index: a job's run can be a million long."""
    given = [
        (column, wanted)
        for column, wanted in (
            (RECORD.c.attempt_id, scope.attempt_id),
            (RECORD.c.task_id, scope.task_id),
            (RECORD.c.job_id, scope.job_id),
        )
        if wanted is not None
    ]
    return [column == wanted for column, wanted in given[:1]] + [column + 0 == wanted for column, wanted in given[1:]]


def record_conditions(query: LogQuery) -> list[ColumnElement[bool]]:
    """Make the conditions that are looked up in the records themselves: time, writer and typed fields."""
    found: list[ColumnElement[bool]] = []
    if query.since is not None:
        found.append(RECORD.c.time >= query.since)
    if query.until is not None:
        found.append(RECORD.c.time < query.until)
    if query.stream is not None:
        named = select(STREAM.c.stream_id).where(STREAM.c.name == query.stream).scalar_subquery()
        found.append(RECORD.c.stream_id == named)
    for condition in map(parse_condition, query.field):
        compare = _OPERATORS[condition.comparison]
        found.append(compare_json(RECORD.c.fields, [condition.name], compare, condition.value))
    return found


def after_record(after: int, time: Any, *, newest_first: bool) -> list[ColumnElement[bool]]:
    """Make the condition to come after a record of this id and time, in the order of time and id."""
    column, record_id = RECORD.c.time, RECORD.c.record_id
    if newest_first:
        return [column <= time, or_(column < time, and_(column == time, record_id < after))]
    return [column >= time, or_(column > time, and_(column == time, record_id > after))]
