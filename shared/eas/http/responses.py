"""Responses of hot operations: written by pydantic in one go, without a second validation."""

from __future__ import annotations

from fastapi import Response
from pydantic import BaseModel


def json_response(body: BaseModel, status: int = 200) -> Response:
    """Write a model as the response."""
    return Response(body.model_dump_json(), status, media_type="application/json")
