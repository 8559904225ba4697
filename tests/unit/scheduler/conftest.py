"""Task types that the scheduler's unit tests know."""

from __future__ import annotations

import pytest

from eas_scheduler.domain.task_settings import TaskTypeSpecification


def specification(
    name: str, settings: dict[str, object], required: list[str], inputs: dict[str, bool], outputs: dict[str, bool]
) -> TaskTypeSpecification:
    schema = {"type": "object", "properties": settings, "required": required, "additionalProperties": False}
    return TaskTypeSpecification(name, "1", schema, inputs, outputs)


@pytest.fixture(scope="session")
def task_types() -> dict[str, TaskTypeSpecification]:
    number = {"type": "number"}
    specs = {"type": "object", "properties": {"radius": number}, "required": ["radius"], "additionalProperties": False}
    types = [
        specification("null", {"duration": number}, [], {}, {}),
        specification("make", {"specs": specs}, [], {}, {"lightcurve": True}),
        specification("find", {"lc_duration": number}, ["lc_duration"], {"lightcurve": True}, {"debugging": False}),
    ]
    return {found.name: found for found in types}
