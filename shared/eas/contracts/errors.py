"""Errors that cross HTTP: raised by a service, sent as a slug, raised again as the same class by the typed clients.

::

    EasError
    ├── InvalidInputError           invalid_input
    │   ├── UnknownParameterError   unknown_parameter    the operation has no such query parameter
    │   ├── InvalidJsonError        invalid_json
    │   ├── InvalidJobError         invalid_job          all problems of a job document at once
    │   ├── InvalidExpressionError  invalid_expression
    │   ├── UnsafePathError         unsafe_path
    │   ├── DigestMismatchError     digest_mismatch
    │   └── UnsupportedMediaError   unsupported_media    the body is packed in a way that the operation does not take
    ├── UnauthenticatedError        unauthenticated
    ├── ForbiddenError              forbidden
    ├── NotFoundError               not_found
    ├── GoneError                   gone                 it was there and has been removed for good
    ├── ConflictError               conflict
    │   ├── AttemptClosedError      attempt_closed       the attempt is no longer open, or another worker's
    │   ├── VersionExistsError      version_exists
    │   └── ProductExistsError      product_exists
    ├── UnreadableError             unreadable           a stored file is not what it should be
    ├── NoPreviewError              no_preview           such a file cannot be shown
    ├── PreconditionError           precondition_failed  `If-Match` names something else
    ├── TooLargeError               too_large
    ├── RangeError                  range_not_satisfiable
    ├── DamagedError                damaged              stored bytes no longer match their digest
    ├── QuotaExceededError          quota_exceeded       a directory may not hold that much
    └── UnavailableError            unavailable          try again later
        ├── InsufficientStorageError insufficient_storage the disk is full; again when there is room
        └── BusyError               busy                 too much at once; `Retry-After` says when to try again
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel, Field


class Problem(BaseModel):
    """One thing that is wrong: a stable slug, words for people, and where in the input it is."""

    slug: str
    message: str
    where: str | None = Field(default=None, description="JSON path, field or header that is at fault.")


class ErrorBody(Problem):
    """The body of every error response."""

    problems: list[Problem] = Field(default_factory=list, description="All problems, where there are several.")
    request_id: str | None = None


class EasError(Exception):
    """Base of all errors that a service sends to its callers.

    Parameters
    ----------
    message
        What is wrong and what was expected, for people.
    where
        The place in the caller's input: a JSON path, a field, a header.
    problems
        The single problems, where several were found at once.
    """

    slug: ClassVar[str] = "error"

    def __init__(self, message: str, *, where: str | None = None, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.problems = list(problems)

    def __str__(self) -> str:
        place = f" (at {self.where})" if self.where else ""
        details = "".join(f"\n  {problem.where or '-'}: {problem.message}" for problem in self.problems)
        return f"{self.message}{place}{details}"


class InvalidInputError(EasError):
    """The request is understood and wrong."""

    slug = "invalid_input"


class UnknownParameterError(InvalidInputError):
    """The operation has no query parameter of this name."""

    slug = "unknown_parameter"


class InvalidJsonError(InvalidInputError):
    """The text is not JSON."""

    slug = "invalid_json"


class InvalidJobError(InvalidInputError):
    """The job document cannot be run; `problems` lists everything that is wrong with it."""

    slug = "invalid_job"


class InvalidExpressionError(InvalidInputError):
    """An expression of the job language cannot be evaluated."""

    slug = "invalid_expression"


class UnsafePathError(InvalidInputError):
    """A directory or filename would leave its place."""

    slug = "unsafe_path"


class DigestMismatchError(InvalidInputError):
    """The bytes that arrived are not those that were announced."""

    slug = "digest_mismatch"


class UnsupportedMediaError(InvalidInputError):
    """The body is compressed or wrapped in a way that the operation does not take."""

    slug = "unsupported_media"


class UnauthenticatedError(EasError):
    """No bearer token, or one that nobody knows."""

    slug = "unauthenticated"


class ForbiddenError(EasError):
    """The token lacks the scope that the operation needs."""

    slug = "forbidden"


class NotFoundError(EasError):
    """There is no such thing."""

    slug = "not_found"


class GoneError(EasError):
    """It was there, and has been removed for good."""

    slug = "gone"


class ConflictError(EasError):
    """The request does not fit the present state."""

    slug = "conflict"


class AttemptClosedError(ConflictError):
    """The attempt has ended or belongs to another worker; nothing was changed."""

    slug = "attempt_closed"


class VersionExistsError(ConflictError):
    """The attempt has already stored another version of this product."""

    slug = "version_exists"


class ProductExistsError(ConflictError):
    """Another task already promises this product."""

    slug = "product_exists"


class UnreadableError(EasError):
    """A stored file cannot be read as what it seems to be; its bytes are those that were stored."""

    slug = "unreadable"


class NoPreviewError(EasError):
    """Such a file cannot be shown, or not in the form that was asked for."""

    slug = "no_preview"


class PreconditionError(EasError):
    """A condition of the request does not hold, so nothing was done."""

    slug = "precondition_failed"


class TooLargeError(EasError):
    """The request exceeds a stated bound."""

    slug = "too_large"


class RangeError(EasError):
    """The requested byte range lies outside the content."""

    slug = "range_not_satisfiable"


class DamagedError(EasError):
    """Stored bytes no longer match the digest taken when they arrived."""

    slug = "damaged"


class QuotaExceededError(EasError):
    """A directory may not hold as much. The same request succeeds when there is less in it, or it may hold more."""

    slug = "quota_exceeded"


class UnavailableError(EasError):
    """The service cannot answer now; the same request may succeed later."""

    slug = "unavailable"


class InsufficientStorageError(UnavailableError):
    """The service's disk is full; the same request succeeds when there is room."""

    slug = "insufficient_storage"


class BusyError(UnavailableError):
    """The service has as much to do as it accepts; nothing of the request was done."""

    slug = "busy"


def _all_classes(root: type[EasError]) -> list[type[EasError]]:
    return [root, *(found for child in root.__subclasses__() for found in _all_classes(child))]


ERROR_CLASSES: dict[str, type[EasError]] = {found.slug: found for found in _all_classes(EasError)}


def rebuild_error(body: ErrorBody) -> EasError:
    """Make the exception that a service raised from the body that it sent."""
    return ERROR_CLASSES.get(body.slug, EasError)(body.message, where=body.where, problems=body.problems)
