"""The boundary where errors become status codes, and nowhere else."""

from __future__ import annotations

import logging

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from eas.contracts import errors as kinds
from eas.contracts.errors import EasError, ErrorBody, Problem
from eas.contracts.values import MAX_LEVELS
from eas.http.request_ids import current_request_id

logger = logging.getLogger(__name__)

#: The first class that the error is an instance of decides.
STATUS_CODES: tuple[tuple[type[EasError], int], ...] = (
    (kinds.InvalidJsonError, 400),
    (kinds.DigestMismatchError, 400),
    (kinds.UnsupportedMediaError, 415),
    (kinds.InvalidInputError, 422),
    (kinds.UnauthenticatedError, 401),
    (kinds.ForbiddenError, 403),
    (kinds.NotFoundError, 404),
    (kinds.GoneError, 410),
    (kinds.ConflictError, 409),
    (kinds.UnreadableError, 422),
    (kinds.NoPreviewError, 415),
    (kinds.PreconditionError, 412),
    (kinds.TooLargeError, 413),
    (kinds.RangeError, 416),
    (kinds.DamagedError, 500),
    (kinds.QuotaExceededError, 413),
    (kinds.InsufficientStorageError, 507),
    (kinds.BusyError, 429),
    (kinds.UnavailableError, 503),
    (EasError, 500),
)

_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}}
_HTTP_SLUGS = {400: "invalid_input", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def status_of(error: EasError) -> int:
    """Find the status code of an error."""
    return next(status for kind, status in STATUS_CODES if isinstance(error, kind))


def render_error(status: int, body: ErrorBody, headers: dict[str, str] | None = None) -> Response:
    """Make the response for an error."""
    body = body.model_copy(update={"request_id": current_request_id()})
    return Response(orjson.dumps(body.model_dump()), status, headers, media_type="application/json")


async def _render_eas_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, EasError)  # noqa: S101 - registered for this class only
    status = status_of(error)
    if status >= 500:
        is_news = not isinstance(error, kinds.UnavailableError)  # where a server is away, its absence says it all
        logger.error("%s: %s", error.slug, error.message, exc_info=error if is_news else None)
    headers = _HEADERS.get(status)
    body = ErrorBody(slug=error.slug, message=error.message, where=error.where, problems=error.problems)
    return render_error(status, body, headers)


def _location(parts: tuple[int | str, ...]) -> str:
    place, *path = parts or ("body",)
    return str(place) + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


async def _render_validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    problems = [
        Problem(slug=f"invalid_{found['type']}", message=str(found["msg"]), where=_location(tuple(found["loc"])))
        for found in error.errors()[:100]
    ]
    if any("recursion limit" in problem.message for problem in problems):
        return _render_too_deep("body")
    if any(problem.slug == "invalid_json_invalid" for problem in problems):
        return render_error(400, ErrorBody(slug="invalid_json", message="The body is not JSON.", problems=problems))
    first = problems[0]
    body = ErrorBody(slug="invalid_input", message=first.message, where=first.where, problems=problems)
    return render_error(422, body)


def _render_too_deep(where: str) -> Response:
    message = f"The body is nested too deep: a value has at most {MAX_LEVELS} lists and objects inside each other."
    return render_error(422, ErrorBody(slug="invalid_input", message=message, where=where))


async def _render_recursion_error(request: Request, error: Exception) -> Response:
    """Answer what a parser or a check could not follow. Without a body it cannot be the caller's fault."""
    if request.method in _WITHOUT_BODY:
        return await _render_unexpected(request, error)
    logger.warning("a body is nested too deep", exc_info=error)
    return _render_too_deep("body")


async def _render_http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    if isinstance(error.__cause__, RecursionError):  # FastAPI's way to say that it cannot read a body
        return _render_too_deep("body")
    slug = _HTTP_SLUGS.get(error.status_code, "error")
    headers = dict(error.headers) if error.headers else None
    return render_error(error.status_code, ErrorBody(slug=slug, message=str(error.detail)), headers)


async def _render_unexpected(_request: Request, error: Exception) -> Response:
    logger.error("unexpected error", exc_info=error)
    body = ErrorBody(slug="internal", message="An unexpected error; the service's log has it under the request id.")
    return render_error(500, body, {"X-Request-ID": current_request_id() or ""})


def install_error_handlers(app: FastAPI) -> None:
    """Make every error of `app` a structured body with slug, message, place and request id."""
    app.add_exception_handler(EasError, _render_eas_error)
    app.add_exception_handler(RequestValidationError, _render_validation_error)
    app.add_exception_handler(HTTPException, _render_http_error)
    app.add_exception_handler(RecursionError, _render_recursion_error)
    app.add_exception_handler(Exception, _render_unexpected)
