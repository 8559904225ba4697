"""What crosses the process boundary arrives as it was sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eas.contracts.states import FailureReason
from eas_worker.domain.assignment import Answer, AnsweredOutput, AssignedInput, Assignment, CheckingNotice
from eas_worker.storage.child_process import ChildProcess, make_channel
from eas_worker.storage.frames import (
    INLINE,
    FrameError,
    pack_answer,
    pack_assignment,
    pack_notice,
    unpack_assignment,
    unpack_word,
)

text = st.text(st.characters(codec="utf-8"), max_size=50)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(text, values, max_size=4), st.sampled_from([0, INLINE]))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_assignments_arrive_as_they_were_sent(tmp_path: Path, content: dict[str, object], padding: int) -> None:
    sent = Assignment(
        attempt_id=7,
        task_id=8,
        job_id=9,
        task_type="act",
        directory="/x" * 8,
        settings={**content, "padding": "x" * padding},
        metadata=content,
        inputs={"a": AssignedInput("/p", content)},
        outputs={"b": "c.csv"},
        seed=2**62,
    )
    message = pack_assignment(sent, tmp_path)
    assert len(message) <= INLINE
    assert unpack_assignment(message) == sent
    assert list(tmp_path.iterdir()) == []


def test_answers_and_notices_arrive_as_they_were_sent(tmp_path: Path) -> None:
    output = AnsweredOutput("a", "/p", "f.csv", "text/csv", {"n": 2**80}, passed_qc=False, qc_reason="no")
    sent = Answer(
        attempt_id=7,
        state="rejected",
        started_at=1.5,
        ended_at=2.5,
        reason=FailureReason.QUALITY,
        message="é" * INLINE,
        outputs=[output],
    )
    assert unpack_word(pack_answer(sent, tmp_path)) == sent
    assert unpack_word(pack_notice(12)) == CheckingNotice(12)


def test_a_message_of_another_kind_is_refused() -> None:
    with pytest.raises(FrameError, match="expected a message"):
        unpack_assignment(pack_notice(1))


def test_only_what_was_not_read_is_recalled(tmp_path: Path) -> None:
    ours, theirs = make_channel()
    child = ChildProcess(1, ours, theirs, tmp_path, lambda _pid: None)
    for attempt_id in range(5):
        assert child.send(Assignment(attempt_id, 1, 1, "act", "/x"))
    begun = unpack_assignment(theirs.recv(INLINE)).attempt_id
    assert begun == 0
    assert child.recall() == [1, 2, 3, 4]
    assert child.recall() == []
    child.close()


def test_a_full_queue_says_so_and_loses_nothing(tmp_path: Path) -> None:
    ours, theirs = make_channel()
    child = ChildProcess(1, ours, theirs, tmp_path, lambda _pid: None)
    sent = 0
    while child.send(Assignment(sent, 1, 1, "act", "/x", settings={"padding": "x" * 10_000})):
        sent += 1
    assert sent > 5
    assert child.recall() == list(range(sent))
    child.close()
