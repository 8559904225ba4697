"""Reading a batch from the bytes of a request, in one step and within bounds: this is the service's busiest path."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from shared.contracts.errors import TooLargeError
from shared.contracts.logs import MAX_BATCH, MAX_BATCH_BYTES, LogBatch, LogRecord

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
                        "records": {"type": "array", "maxItems": MAX_BATCH, "items": LogRecord.model_json_schema()}
                    },
                },
                "example": {"records": LogRecord.model_json_schema()["examples"]},
            }
        },
    }
}


async def _read_batch(request: Request) -> LogBatch:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BATCH_BYTES:
            raise TooLargeError(
                f"the batch is longer than {MAX_BATCH_BYTES} bytes; send fewer records at once", where="body"
            )
    try:
        return LogBatch.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        found = [{**problem, "loc": ("body", *problem["loc"])} for problem in problems]
        raise RequestValidationError(found) from error


BatchBody = Annotated[LogBatch, Depends(_read_batch)]
