"""From exceptions to typed reasons and readable words."""

from __future__ import annotations

import pytest
from pydantic import Field, ValidationError

from eas.authoring.errors import InputError, OutputError
from eas.authoring.task_type import TaskSettings
from eas.contracts.states import FailureReason
from eas.contracts.texts import MAX_MESSAGE
from eas.contracts.texts import clean_message as cut_message
from eas_worker.domain.assignment import Departure
from eas_worker.domain.failures import explain_failure, explain_settings


class SearchSettings(TaskSettings):
    period_min: float = Field(gt=0)
    oversampling: int = 3


@pytest.mark.parametrize(
    ("error", "reason", "message"),
    [
        (InputError("no samples"), FailureReason.INPUT, "no samples"),
        (OutputError(""), FailureReason.SCIENCE, "OutputError"),
        (MemoryError(), FailureReason.OUT_OF_MEMORY, "the task ran out of memory"),
        (SystemExit(2), FailureReason.SCIENCE, "the task called sys.exit(2)"),
    ],
)
def test_what_speaks_for_itself(error: BaseException, reason: FailureReason, message: str) -> None:
    assert explain_failure(error) == (reason, message)


def test_anything_else_shows_where_it_was_raised() -> None:
    try:
        _ = [][0]
    except IndexError as error:
        reason, message = explain_failure(error)
    assert reason is FailureReason.SCIENCE
    assert "test_failure_reasons.py" in message
    assert message.endswith("IndexError: list index out of range")


def test_every_wrong_setting_is_named_with_what_was_given() -> None:
    with pytest.raises(ValidationError) as caught:
        SearchSettings.model_validate({"period_min": -1, "oversampling": "many", "speed": 1})
    lines = explain_settings(caught.value).splitlines()
    assert lines[0] == "setting period_min: Input should be greater than 0 (given: -1)"
    assert lines[1].startswith("setting oversampling: Input should be a valid integer")
    assert lines[1].endswith("(given: 'many')")
    assert lines[2].startswith("setting speed: Extra inputs are not permitted")


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(ValidationError) as caught:
        SearchSettings.model_validate({})
    assert explain_settings(caught.value) == "setting period_min: Field required"


def test_long_messages_keep_their_end() -> None:
    cut = cut_message("a" * MAX_MESSAGE + "the end")
    assert cut.endswith("the end")
    assert len(cut) <= MAX_MESSAGE


def test_undecodable_names_are_made_readable() -> None:
    assert cut_message("no file 'a\udcff'") == "no file 'a\\udcff'"


def test_deaths_are_put_in_words() -> None:
    assert str(Departure(9, None)) == "was killed by signal 9"
    assert str(Departure(None, 3)) == "ended with exit status 3"
    assert str(Departure(None, None)) == "vanished"
