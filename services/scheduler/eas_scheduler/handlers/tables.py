"""Tables as JSON or, where that is asked for, as CSV."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request, Response

from eas.contracts.diagnostics import TableView
from eas.http.responses import json_response

_CSV = "text/csv"
#: What the documentation page says of an operation that may answer in CSV.
CSV_RESPONSE: dict[int | str, dict[str, Any]] = {200: {"content": {_CSV: {"schema": {"type": "string"}}}}}


async def _wants_csv(
    request: Request,
    format: Annotated[
        Literal["json", "csv"] | None, Query(description="By default as `Accept` asks, else JSON.")
    ] = None,
) -> bool:
    return format == "csv" or (format is None and _CSV in request.headers.get("accept", ""))


AsCsv = Annotated[bool, Depends(_wants_csv)]


def render_table(table: TableView, as_csv: bool) -> Response:
    """Answer with a table. In CSV, the header ``X-Next-Page`` says where the following page begins."""
    if not as_csv:
        return json_response(table)
    headers = None if table.following is None else {"X-Next-Page": table.following}
    return Response(table.flatten().write_csv(), headers=headers, media_type=_CSV)
