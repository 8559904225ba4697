"""The one line of a message that says what went wrong."""

from __future__ import annotations

import traceback

import pytest

from eas.error_lines import find_error_line


def raise_and_format(*errors: Exception) -> str:
    try:
        try:
            raise errors[0]
        except Exception as first:
            if len(errors) > 1:
                raise errors[1] from first
            raise
    except Exception as error:
        return "".join(traceback.format_exception(error)).rstrip()


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("", ""),
        ("the task ran out of memory", "the task ran out of memory"),
        ("setting a: wrong\nsetting b: missing", "setting a: wrong"),
        (raise_and_format(ValueError("no flux")), "ValueError: no flux"),
        (raise_and_format(ValueError("no flux\nin any sector")), "ValueError: no flux"),
        (raise_and_format(KeyError("a"), RuntimeError("no curve")), "RuntimeError: no curve"),
        (
            raise_and_format(ValueError("no flux")) + "; given up after 5 attempts",
            "ValueError: no flux; given up after 5 attempts",
        ),
        ('[…] x\n  File "a.py", line 3, in f\n    g()\nOSError: gone', "OSError: gone"),
        ('Traceback (most recent call last):\n  File "a.py", line 3, in f\n    g()', "g()"),
    ],
)
def test_of_a_traceback_it_is_the_error(message: str, line: str) -> None:
    assert find_error_line(message) == line
