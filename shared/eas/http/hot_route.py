"""Routes of hot operations: answered without FastAPI's general machinery, and documented by it all the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from eas.http.query import check_parameters, find_parameters

_Dependency = Callable[[Request], Awaitable[Any]]


class HotRoute(APIRoute):
    """A POST of one JSON model to an operation that makes its own `Response`.

    Besides the model the operation may ask for the request and for dependencies that need nothing but the request.
    FastAPI's way through its dependencies takes longer than many of the operations do.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Make the function that answers requests."""
        operation = self.endpoint
        body = self.dependant.body_params[0]
        model: type[BaseModel] = body.field_info.annotation  # type: ignore[assignment]
        needs: list[tuple[str, _Dependency]] = [
            (need.name, need.call)
            for need in self.dependant.dependencies
            if need.name is not None and need.call is not None
        ]
        request_name = self.dependant.request_param_name

        known = find_parameters(self.dependant)

        async def answer(request: Request) -> Response:
            if request.scope["query_string"]:
                check_parameters(request.scope["query_string"], known)
            values: dict[str, Any] = {name: await dependency(request) for name, dependency in needs}
            values[body.name] = _read(model, await request.body())
            if request_name is not None:
                values[request_name] = request
            response: Response = await operation(**values)
            return response

        return answer


def _read(model: type[BaseModel], text: bytes) -> BaseModel:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors(include_url=False)]
        raise RequestValidationError(faults) from error
