"""Reading a batch from the bytes of a request, in one step and within bounds: this is the service's busiest path."""

from __future__ import annotations

import zlib
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from shared.contracts.errors import InvalidInputError, TooLargeError
from shared.contracts.logs import MAX_BATCH, MAX_BATCH_BYTES, LogBatch, LogRecord, StreamEnding, join_lines

NDJSON_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl")

#: For the documentation: the body is read by hand, so FastAPI does not see its type.
RECORD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "title": "LogBatch",
                    "type": "object",
                    "required": ["records"],
                    "properties": {
                        "records": {"type": "array", "maxItems": MAX_BATCH, "items": LogRecord.model_json_schema()},
                        "endings": {
                            "type": "array",
                            "maxItems": MAX_BATCH,
                            "items": StreamEnding.model_json_schema(),
                        },
                    },
                },
                "example": {
                    "records": LogRecord.model_json_schema()["examples"],
                    "endings": StreamEnding.model_json_schema()["examples"],
                },
            },
            "application/x-ndjson": {
                "schema": {
                    "type": "string",
                    "description": "A record a line; a line with `emitted` first is an ending.",
                },
                "example": '{"attempt_id":4711,"stream":"sh","sequence":0,"time":"2026-03-01T12:00:00Z","level":20,'
                '"message":"begun"}\n{"emitted":1,"attempt_id":4711,"stream":"sh"}\n',
            },
        },
    }
}


async def _read_batch(request: Request) -> LogBatch:
    body = await _read_body(request)
    is_lines = request.headers.get("content-type", "").partition(";")[0].strip().lower() in NDJSON_TYPES
    lines = [bytes(line) for line in body.split(b"\n") if line and not line.isspace()] if is_lines else []
    try:
        if not is_lines:
            return LogBatch.model_validate_json(body)
        batch = LogBatch.model_validate_json(join_lines(lines))
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        found = [{**problem, "loc": ("body", *problem["loc"])} for problem in problems]
        raise RequestValidationError(found) from error
    if len(batch.records) + len(batch.endings) != len(lines):
        raise InvalidInputError("a line holds more than one value; expected one JSON object a line", where="body")
    return batch


async def _read_body(request: Request) -> bytes | bytearray:
    """Read the body, unpacked, within its bound."""
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip"):
        raise InvalidInputError(f"content coding {coding!r}; expected gzip or none", where="header.Content-Encoding")
    unpacker = zlib.decompressobj(wbits=31) if coding == "gzip" else None
    body = bytearray()
    async for chunk in request.stream():
        try:
            # One byte more than allowed shows that there is too much, however much it would be.
            body += unpacker.decompress(chunk, MAX_BATCH_BYTES + 1 - len(body)) if unpacker else chunk
        except zlib.error as error:
            raise InvalidInputError(f"the body is not gzip: {error}", where="body") from error
        if len(body) > MAX_BATCH_BYTES:
            raise TooLargeError(
                f"the batch is longer than {MAX_BATCH_BYTES} bytes; send fewer records at once", where="body"
            )
    if unpacker and not unpacker.eof:
        raise InvalidInputError("the gzip body is cut off", where="body")
    return body


BatchBody = Annotated[LogBatch, Depends(_read_batch)]
