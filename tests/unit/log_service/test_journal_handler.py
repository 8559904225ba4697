"""The logging handler: what a record keeps, whom it belongs to, how it is numbered, and that it never raises."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from eas.contracts.logs import ENDING_START, MAX_MESSAGE_LENGTH, LogRecord, StreamEnding
from eas.journal.handler import AttemptContext, JournalHandler
from eas.journal.journal import SpoolBound, list_segments

Logger = logging.Logger


def written(spool: Path) -> list[LogRecord]:
    lines = [line for segment in list_segments(spool) for line in segment.read_bytes().splitlines()]
    return [LogRecord.model_validate_json(line) for line in lines if not line.startswith(ENDING_START)]


def endings(spool: Path) -> list[tuple[int, int]]:
    lines = [line for segment in list_segments(spool) for line in segment.read_bytes().splitlines()]
    found = [StreamEnding.model_validate_json(line) for line in lines if line.startswith(ENDING_START)]
    return [(ending.attempt_id, ending.emitted) for ending in found]


@pytest.fixture
def handler(tmp_path: Path) -> Iterator[JournalHandler]:
    found = JournalHandler(tmp_path, "worker-1")
    yield found
    found.close()


@pytest.fixture
def logger(handler: JournalHandler) -> Logger:
    return make_logger(handler)


def make_logger(handler: logging.Handler) -> Logger:
    found = Logger("eas_worker.tasks.tls", logging.DEBUG)
    found.addHandler(handler)
    return found


def test_a_record_keeps_message_template_arguments_and_its_own_time(logger: Logger, tmp_path: Path) -> None:
    before = datetime.now(UTC)
    logger.warning("value %d of %s", 3, "period")
    (record,) = written(tmp_path)
    assert record.message == "value 3 of period"
    assert record.template == "value %d of %s"
    assert record.arguments == [3, "period"]
    assert before.replace(microsecond=before.microsecond) <= record.time <= datetime.now(UTC)
    assert (record.level, record.logger, record.process_id) == (30, "eas_worker.tasks.tls", os.getpid())
    assert record.host


def test_the_time_is_that_of_the_call_not_of_the_writing(handler: JournalHandler, tmp_path: Path) -> None:
    made_earlier = logging.LogRecord("x", logging.INFO, "", 0, "early", (), None)
    made_earlier.created = 1_700_000_000.25
    handler.handle(made_earlier)
    assert written(tmp_path)[0].time == datetime(2023, 11, 14, 22, 13, 20, 250_000, UTC)


def test_named_arguments_are_kept_too(logger: Logger, tmp_path: Path) -> None:
    logger.info("depth %(depth).1f", {"depth": 84.2})
    (record,) = written(tmp_path)
    assert record.message == "depth 84.2"
    assert record.arguments == [{"depth": 84.2}]


def test_a_message_without_arguments_has_no_template(logger: Logger, tmp_path: Path) -> None:
    logger.info("100 % done")
    (record,) = written(tmp_path)
    assert (record.message, record.template, record.arguments) == ("100 % done", None, None)


def test_the_traceback_is_kept(logger: Logger, tmp_path: Path) -> None:
    try:
        raise ValueError("all flux is NaN")
    except ValueError:
        logger.exception("failed")
    (record,) = written(tmp_path)
    assert record.traceback is not None
    assert record.traceback.startswith("Traceback (most recent call last)")
    assert record.traceback.endswith("ValueError: all flux is NaN")
    assert record.level == 40


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def raise_rude() -> None:
    class RudeError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    raise RudeError


@pytest.mark.parametrize(
    "call",
    [
        lambda logger: logger.info("%d", "no number"),
        lambda logger: logger.info("%s %s", 1),
        lambda logger: logger.info("%s", Rude()),
        lambda logger: logger.info(Rude()),
        lambda logger: logger.info("lone \ud800 %s", "\udfff"),
        lambda logger: logger.info("%s", {1: {2: object()}}),
        lambda logger: logger.info("x", exc_info=True),
        lambda logger: logger.log(2**40, "loud"),
        lambda logger: logger.info("x" * 500_000),
        lambda logger: logger.info("%s", 2**70),
        lambda logger: logger.info("nul \0 and tab \t"),
    ],
)
def test_nothing_a_caller_can_say_raises_or_is_lost(
    logger: Logger, tmp_path: Path, capfd: pytest.CaptureFixture[str], call: Callable[[Logger], None]
) -> None:
    call(logger)
    (record,) = written(tmp_path)
    assert record.message
    assert len(record.message) <= MAX_MESSAGE_LENGTH
    assert capfd.readouterr().err == ""


def test_an_exception_that_cannot_be_shown_is_still_a_record(logger: Logger, tmp_path: Path) -> None:
    try:
        raise_rude()
    except Exception:
        logger.exception("failed")
    assert "RudeError" in (written(tmp_path)[0].traceback or "")


def test_records_are_numbered_for_each_attempt(handler: JournalHandler, logger: Logger, tmp_path: Path) -> None:
    logger.info("idle")
    handler.set_attempt(5, task_id=3, job_id=1)
    logger.info("a")
    logger.info("b")
    handler.set_attempt(6, task_id=4, job_id=1)
    logger.info("c")
    handler.set_attempt(5, task_id=3, job_id=1)
    logger.info("d")
    handler.clear_attempt()
    logger.info("idle")
    found = [(r.message, r.attempt_id, r.task_id, r.job_id, r.sequence) for r in written(tmp_path)]
    assert found == [
        ("idle", 0, 0, 0, 0),
        ("a", 5, 3, 1, 0),
        ("b", 5, 3, 1, 1),
        ("c", 6, 4, 1, 0),
        ("d", 5, 3, 1, 2),
        ("idle", 0, 0, 0, 1),
    ]


def test_how_many_records_an_attempt_had_is_said_when_its_turn_is_over(
    handler: JournalHandler, logger: Logger, tmp_path: Path
) -> None:
    handler.set_attempt(7)
    logger.info("one")
    logger.info("two")
    handler.set_attempt(8)
    handler.clear_attempt()
    logger.info("nobody's")
    logger.info("for nine", extra={"attempt": AttemptContext(9)})
    handler.end_attempt(9)
    assert endings(tmp_path) == [(7, 2), (9, 1)]
    handler.set_attempt(7)
    logger.info("three")
    handler.close()
    assert endings(tmp_path) == [(7, 2), (9, 1), (7, 3)]


def test_extras_are_typed_fields(logger: Logger, tmp_path: Path) -> None:
    extra = {
        "period": 3.85,
        "transits": 12,
        "star": "TIC 1",
        "good": True,
        "flux": [1.0, 2.0],
        "attempt": AttemptContext(),
    }
    logger.info("found %s", "it", extra=extra)
    logger.info("plain")
    found, plain = written(tmp_path)
    assert found.fields == {"period": 3.85, "transits": 12, "star": "TIC 1", "good": True, "flux": "[1.0, 2.0]"}
    assert plain.fields is None


def test_one_process_can_speak_for_many_attempts(logger: Logger, tmp_path: Path) -> None:
    logger.info("out of memory", extra={"attempt": AttemptContext(8, 2, 1)})
    logger.info("well")
    assert [(r.attempt_id, r.task_id, r.sequence) for r in written(tmp_path)] == [(8, 2, 0), (0, 0, 0)]


def test_a_restarted_writer_has_a_stream_of_its_own(tmp_path: Path) -> None:
    handlers = [JournalHandler(tmp_path, "worker-1") for _ in range(3)]
    for handler in handlers:
        make_logger(handler).info("hello")
        handler.close()
    found = written(tmp_path)
    assert [record.sequence for record in found] == [0, 0, 0]
    assert len({record.stream for record in found}) == 3


def test_a_forked_child_has_a_stream_of_its_own(handler: JournalHandler, logger: Logger, tmp_path: Path) -> None:
    handler.set_attempt(5)
    logger.info("parent")
    child = os.fork()
    if child == 0:
        logger.info("child")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    logger.info("parent")
    found = {(record.message, record.sequence, record.stream) for record in written(tmp_path)}
    assert {(message, sequence) for message, sequence, _ in found} == {("parent", 0), ("parent", 1), ("child", 0)}
    assert len({stream for _, _, stream in found}) == 2


def test_talk_about_the_shipping_is_not_shipped(handler: JournalHandler, tmp_path: Path) -> None:
    for name in ("httpx", "httpcore.connection"):
        chatty = Logger(name, logging.DEBUG)
        chatty.addHandler(handler)
        chatty.info("HTTP Request: POST /records")
        chatty.warning("odd")
    assert [record.message for record in written(tmp_path)] == ["odd", "odd"]


def test_a_full_spool_drops_what_is_below_warning_and_says_how_many(tmp_path: Path) -> None:
    handler = JournalHandler(tmp_path, "w", bound=SpoolBound(total=2000, segment=500, measure_every=0))
    logger = make_logger(handler)
    handler.set_attempt(5)
    while sum(segment.stat().st_size for segment in list_segments(tmp_path)) <= 2000:
        logger.info("fill")
    first_lost = len(written(tmp_path))
    logger.info("lost")
    logger.debug("lost")
    logger.error("kept")
    handler.clear_attempt()
    found = written(tmp_path)[first_lost:]
    assert [(r.message, r.level, r.attempt_id, r.sequence - first_lost) for r in found] == [
        ("kept", 40, 5, 2),
        ("2 records dropped: the spool or its disk is full", 30, 5, 3),
    ]
    handler.close()


def test_there_is_a_bound_for_warnings_too(tmp_path: Path) -> None:
    handler = JournalHandler(tmp_path, "w", bound=SpoolBound(total=2000, segment=500, measure_every=0))
    logger = make_logger(handler)
    for _ in range(200):
        logger.error("again and again")
    handler.close()
    found = written(tmp_path)
    assert sum(segment.stat().st_size for segment in list_segments(tmp_path)) < 5000
    assert found[-1].message == f"{200 - len(found) + 1} records dropped: the spool or its disk is full"


def test_once_there_is_room_the_gap_is_explained_before_the_next_record(tmp_path: Path) -> None:
    handler = JournalHandler(tmp_path, "w", bound=SpoolBound(total=500, segment=100, measure_every=0))
    logger = make_logger(handler)
    for _ in range(6):
        logger.info("fill")
    for segment in list_segments(tmp_path)[:-1]:
        segment.unlink()
    logger.info("after")
    fill, notice, after = written(tmp_path)
    lost = after.sequence - fill.sequence - 1
    assert 0 < lost < 5
    assert notice.message == f"{lost} records dropped: the spool or its disk is full"
    assert (after.message, notice.sequence) == ("after", after.sequence + 1)
    handler.close()


def test_a_spool_that_cannot_be_written_is_said_once_and_harms_nobody(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    spool = tmp_path / "spool"
    handler = JournalHandler(spool, "w", bound=SpoolBound(measure_every=1e9))
    logger = make_logger(handler)
    handler._journal.pressure()  # type: ignore[union-attr]
    spool.rmdir()
    for _ in range(3):
        logger.info("lost")
    assert capfd.readouterr().err.count("log records are being lost") == 1
    spool.mkdir()
    logger.info("back")
    logger.info("more")
    assert [(r.message, r.sequence) for r in written(spool)] == [
        ("back", 3),
        ("3 records dropped: the spool or its disk is full", 5),
        ("more", 4),
    ]
    handler.close()


def test_a_writer_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 to 80"):
        JournalHandler(tmp_path, "")


def test_a_call_costs_less_than_50_microseconds(logger: Logger, tmp_path: Path) -> None:
    best = float("inf")
    for _ in range(50):
        start = time.thread_time()  # which stands still while others have the processor
        for number in range(100):
            logger.info("period %.4f d, %d transits of %s", 3.8491, number, "TOI-540")
        best = min(best, (time.thread_time() - start) / 100)
    assert best < 50e-6
