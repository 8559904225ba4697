"""Reading a batch from the bytes of a request, in one step: this is the service's busiest path."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from eas.contracts.logs import MAX_BATCH, LogBatch, LogRecord, StreamEnding
from eas.http.content_codings import is_gzipped
from eas_logging.handlers.batch_text import BatchText, parse_lines

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
    try:
        return parse_lines(body) if is_lines else LogBatch.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        found = [{**problem, "loc": ("body", *problem["loc"])} for problem in problems]
        raise RequestValidationError(found) from error


async def _read_body(request: Request) -> bytes | bytearray:
    """Read the body, unpacked, within its bound."""
    text = BatchText(is_packed=is_gzipped(request))
    async for chunk in request.stream():
        text.append(chunk)
    return text.finish()


BatchBody = Annotated[LogBatch, Depends(_read_batch)]
