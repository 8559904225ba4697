"""The task type `error` fails as it is told to."""

from __future__ import annotations

from pathlib import Path

import pytest

from eas.authoring.errors import InputError, TaskError
from eas.authoring.task_type import TaskContext
from eas.contracts.states import FailureReason
from eas_worker.tasks.error import TASK_TYPE


@pytest.mark.parametrize(
    ("settings", "error", "reason"),
    [
        ({}, TaskError, FailureReason.SCIENCE),
        ({"message": "no stars today", "reason": "science"}, TaskError, FailureReason.SCIENCE),
        ({"message": "no stars today", "reason": "input"}, InputError, FailureReason.INPUT),
    ],
)
def test_it_always_fails(
    tmp_path: Path, settings: dict[str, str], error: type[TaskError], reason: FailureReason
) -> None:
    context = TaskContext(directory=tmp_path, inputs={}, output_names={})

    with pytest.raises(error, match=settings.get("message", "always fails")) as caught:
        TASK_TYPE.run(context, TASK_TYPE.settings.model_validate(settings))

    assert caught.value.reason is reason
