"""A batch as text, from whatever door: unpacked within bounds, as JSON or as a record a line."""

from __future__ import annotations

import zlib

from pydantic import ValidationError

from eas.contracts.errors import InvalidInputError, TooLargeError
from eas.contracts.logs import MAX_BATCH_BYTES, LogBatch, join_lines

_GZIP_START = b"\x1f\x8b"


class BatchText:
    """Gathers the text of a batch, unpacked, within its bound.

    Raises
    ------
    TooLargeError
        There is more than `MAX_BATCH_BYTES`; the rest is not unpacked.
    InvalidInputError
        It is not gzip, or not all of it.
    """

    def __init__(self, *, is_packed: bool) -> None:
        self._unpacker = zlib.decompressobj(wbits=31) if is_packed else None
        self._text = bytearray()

    def append(self, chunk: bytes) -> None:
        """Take the next bytes."""
        try:
            # One byte more than allowed shows that there is too much, however much it would be.
            room = MAX_BATCH_BYTES + 1 - len(self._text)
            self._text += self._unpacker.decompress(chunk, room) if self._unpacker else chunk
        except zlib.error as error:
            raise InvalidInputError(f"the body is not gzip: {error}", where="body") from error
        if len(self._text) > MAX_BATCH_BYTES:
            raise TooLargeError(
                f"the batch is longer than {MAX_BATCH_BYTES} bytes; send fewer records at once", where="body"
            )

    def finish(self) -> bytes | bytearray:
        """Tell the whole text."""
        if self._unpacker and not self._unpacker.eof:
            raise InvalidInputError("the gzip body is cut off", where="body")
        return self._text


def parse_lines(text: bytes | bytearray) -> LogBatch:
    """Read a record or an ending a line.

    Raises
    ------
    ValidationError, InvalidInputError
        A line is none.
    """
    lines = [bytes(line) for line in text.split(b"\n") if line and not line.isspace()]
    batch = LogBatch.model_validate_json(join_lines(lines))
    if len(batch.records) + len(batch.endings) != len(lines):
        raise InvalidInputError("a line holds more than one value; expected one JSON object a line", where="body")
    return batch


def parse_message(body: bytes) -> LogBatch:
    """Read a batch of which nobody says what form it has: JSON or a record a line, either of them also as gzip.

    Raises
    ------
    InvalidInputError, TooLargeError
        It is no batch, or too long.
    """
    text = BatchText(is_packed=body.startswith(_GZIP_START))
    text.append(body)
    whole = text.finish()
    try:
        return LogBatch.model_validate_json(whole)
    except ValidationError as error:
        if _begins_as_batch(whole):
            raise InvalidInputError(f"not a batch of log records: {_first_problem(error)}") from error
    try:
        return parse_lines(whole)
    except ValidationError as error:
        raise InvalidInputError(f"neither a batch nor lines of log records: {_first_problem(error)}") from error


def _begins_as_batch(text: bytes | bytearray) -> bool:
    return bytes(text[:64]).replace(b" ", b"").replace(b"\n", b"").startswith((b'{"records":', b'{"endings":'))


def _first_problem(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)[0]
    return f"{found['msg']} (at {'.'.join(str(part) for part in found['loc']) or 'body'})"
