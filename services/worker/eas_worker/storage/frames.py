"""Messages between supervisor and child: one tag byte, then JSON. Long ones go through a file in the work folder."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from eas.contracts.states import FailureReason
from eas_worker.domain.assignment import (
    Answer,
    AnsweredOutput,
    AssignedInput,
    Assignment,
    CheckingNotice,
)
from eas_worker.domain.limits import AttemptLimits

#: The longest message that travels through the socket itself [bytes].
INLINE = 32 * 1024

_WORK = b"w"
_ANSWER = b"a"
_CHECKING = b"c"
_FILED = b"@"
_SLOW = b"~"


class FrameError(RuntimeError):
    """A message is not of the form that this version of the worker writes."""


def pack_assignment(assignment: Assignment, folder: Path) -> bytes:
    """Make the message that gives an attempt to a child."""
    return _pack(_WORK, assignment, folder / f"{assignment.attempt_id}.task.json")


def pack_answer(answer: Answer, folder: Path) -> bytes:
    """Make the message that says how an attempt went."""
    return _pack(_ANSWER, answer, folder / f"{answer.attempt_id}.result.json")


def pack_notice(attempt_id: int) -> bytes:
    """Make the message that says that an attempt's quality control has begun."""
    return _CHECKING + b"%d" % attempt_id


def read_attempt_id(message: bytes) -> int:
    """Tell which attempt an unread assignment is about, and remove its file if it has one."""
    return unpack_assignment(message).attempt_id


def unpack_assignment(message: bytes) -> Assignment:
    """Read a message made by `pack_assignment`."""
    fields = _open(_WORK, message)
    fields["inputs"] = {slot: AssignedInput(**file) for slot, file in fields["inputs"].items()}
    if fields["limits"] is not None:
        fields["limits"] = AttemptLimits(**fields["limits"])
    return Assignment(**fields)


def unpack_word(message: bytes) -> Answer | CheckingNotice:
    """Read a message made by `pack_answer` or `pack_notice`."""
    if message[:1] == _CHECKING:
        return CheckingNotice(int(message[1:]))
    fields = _open(_ANSWER, message)
    fields["outputs"] = [AnsweredOutput(**file) for file in fields["outputs"]]
    if fields["reason"] is not None:
        fields["reason"] = FailureReason(fields["reason"])
    return Answer(**fields)


def _pack(tag: bytes, content: Assignment | Answer, file: Path) -> bytes:
    body = _encode(content)
    if len(body) < INLINE:
        return tag + body
    file.write_bytes(body)
    return _FILED + os.fsencode(file)


def _open(tag: bytes, message: bytes) -> dict[str, Any]:
    if message[:1] == tag:
        return _decode(message[1:])
    if message[:1] != _FILED:
        raise FrameError(f"expected a message {tag!r}, not {message[:32]!r}")
    file = Path(os.fsdecode(message[1:]))
    body = file.read_bytes()
    file.unlink()
    return _decode(body)


def _encode(content: Assignment | Answer) -> bytes:
    try:
        return orjson.dumps(content)
    except TypeError:  # orjson has no integers beyond 64 bits and no lone surrogates
        return _SLOW + json.dumps(asdict(content)).encode()


def _decode(body: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(body[1:]) if body[:1] == _SLOW else orjson.loads(body)
    return fields
