"""Batches of which nobody says what form they have."""

from __future__ import annotations

import gzip

import pytest

from eas.contracts.errors import InvalidInputError, TooLargeError
from eas.contracts.logs import MAX_BATCH_BYTES
from eas_logging.handlers.batch_text import parse_message

FIRST = b'{"stream":"w","sequence":0,"time":"2026-03-01T00:00:00Z","level":20,"message":"x"}'
SECOND = FIRST.replace(b'"sequence":0', b'"sequence":1')
ENDING = b'{"emitted":2,"attempt_id":1,"stream":"w"}'

JSON = b'{"records":[%b,%b],"endings":[%b]}' % (FIRST, SECOND, ENDING)
LINES = b"\n".join([FIRST, SECOND, ENDING, b""])


@pytest.mark.parametrize(
    "body",
    [
        JSON,
        JSON.replace(b":[", b":\n  ["),
        LINES,
        LINES.rstrip(),
        gzip.compress(JSON, mtime=0),
        gzip.compress(LINES, mtime=0),
    ],
)
def test_every_form_that_http_takes_is_read(body: bytes) -> None:
    batch = parse_message(body)
    assert [record.sequence for record in batch.records] == [0, 1]
    assert [ending.emitted for ending in batch.endings] == [2]


def test_a_single_record_is_a_batch() -> None:
    assert [record.sequence for record in parse_message(SECOND).records] == [1]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"hello", "neither"),
        (b'{"records":[{}]}', r"not a batch .*records.0.stream"),
        (FIRST + b"\n{}", "neither"),
        (FIRST + b"," + SECOND, "more than one value"),
        (gzip.compress(JSON, mtime=0)[:-9], "cut off"),
        (b"\x1f\x8b nonsense", "not gzip"),
    ],
)
def test_what_is_none_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        parse_message(body)


def test_a_packed_batch_is_not_unpacked_beyond_its_bound() -> None:
    with pytest.raises(TooLargeError):
        parse_message(gzip.compress(b" " * (MAX_BATCH_BYTES + 1), 1))
