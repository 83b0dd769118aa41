"""Every error body of the service: `application/problem+json` (RFC 9457) with a `code`."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from uuid import UUID

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema
from starlette.exceptions import HTTPException

from api.methods import allowed_methods
from domain.errors import (
    BadgeCodeConflictError,
    BadgeNotFoundError,
    DomainError,
    ForbiddenError,
    InvalidValueError,
    JsonMalformedError,
    JsonNotUtf8Error,
    StorageUnavailableError,
    UnauthorizedError,
)

MEDIA_TYPE = "application/problem+json"

log = structlog.get_logger()

_STATUS_OF: Mapping[type[DomainError], HTTPStatus] = {
    UnauthorizedError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    BadgeNotFoundError: HTTPStatus.NOT_FOUND,
    BadgeCodeConflictError: HTTPStatus.BAD_REQUEST,
}
_CODE_OF = {
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
}
_TITLES = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Content Too Large",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Unprocessable Content",
}
"""As RFC 9110 has them; `phrase` depends on the release of Python."""

_MESSAGES = {"model_type": "Input should be an object"}
"""Where pydantic's own words name our classes."""

_CLOSE = {"Connection": "close"}
_CHALLENGE = {"WWW-Authenticate": "APIKey"}
"""RFC 9110 wants one on every 401; there is no registered scheme for keys in a header of their own."""

_QUOTED = 200
"""Characters at most of what a caller sent and an error repeats."""


def title_of(status: HTTPStatus) -> str:
    """The name of a status."""
    return _TITLES.get(status, status.phrase)


def _no_default(schema: dict[str, Any]) -> None:
    """A field that is left out where there is nothing to tell has no default to show."""
    schema.pop("default", None)


class FieldError(BaseModel):
    """What is wrong with one value."""

    loc: list[str | int] = Field(description="Where: `body`, `path`, `query` or `header`, then the name.")
    msg: str = Field(description="What is wrong, for people.")
    type: str = Field(description="What is wrong, for programs.")


class Problem(BaseModel):
    """The body of every error (RFC 9457)."""

    type: str = Field(description="A URN made of the code.")
    title: str = Field(description="The name of the HTTP status.")
    status: int = Field(description="The HTTP status.", ge=400, le=599)
    detail: str = Field(description="What happened, for people.")
    code: str = Field(description="What happened, for programs: it does not change.")
    errors: list[FieldError] | SkipJsonSchema[None] = Field(
        default=None,
        description="Each value that does not fit; with `validation_error` alone.",
        json_schema_extra=_no_default,
    )


class ProblemError(Exception):
    """An answer that is an error, ready to be sent."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`headers` go on the answer."""
        super().__init__(detail)
        self.problem = Problem(
            type=f"urn:badges:problem:{code}",
            title=title_of(status),
            status=status,
            detail=detail,
            code=code,
            errors=list(errors) if errors is not None else None,
        )
        self.headers = dict(headers or {})


def _retry_after(seconds: int) -> Mapping[str, str]:
    """When to try again: whole seconds, at least 1."""
    return {"Retry-After": str(max(1, seconds))}


def unavailable(what: str) -> ProblemError:
    """503: Kafka or Postgres cannot answer; nothing may have happened, and a repeat is safe."""
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "unavailable",
        f"{what} cannot answer at the moment; repeating the call is safe",
        headers=_retry_after(1),
    )


def award_pending() -> ProblemError:
    """503: the request is in the log, its outcome is not known yet."""
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "award_pending",
        "The request is accepted, its outcome is not known yet; repeating the call is safe",
        headers=_retry_after(1),
    )


def request_timeout(seconds: float) -> ProblemError:
    """408: the request did not arrive in time; the connection is closed."""
    return ProblemError(
        HTTPStatus.REQUEST_TIMEOUT,
        "request_timeout",
        f"The request did not arrive within {seconds:g} seconds",
        headers=_CLOSE,
    )


def malformed_request() -> ProblemError:
    """400: not HTTP/1.1, or a body that is cut off."""
    return ProblemError(HTTPStatus.BAD_REQUEST, "bad_request", "The request is not HTTP/1.1, or was cut off")


def head_too_large() -> ProblemError:
    """431: the path, the query and the headers together."""
    return ProblemError(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "request_header_fields_too_large",
        "The request's path and headers are too large",
        headers=_CLOSE,
    )


def payload_too_large(most: int) -> ProblemError:
    """413: told by its length, or found while the body came in."""
    return ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "payload_too_large", f"The body may have {most} bytes at most"
    )


def unsupported_media_type(media_type: str) -> ProblemError:
    """415: bodies are JSON."""
    return ProblemError(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        f"Content-Type must be application/json, not {media_type[:_QUOTED] or 'missing'}",
    )


def too_many_awards(*, limit: int, seconds: int) -> ProblemError:
    """429: a call is free again in so many seconds."""
    return ProblemError(
        HTTPStatus.TOO_MANY_REQUESTS,
        "RATE_LIMIT_PARTICIPANT_EXCEEDED",
        f"More than {limit} award calls in a minute for this participant",
        headers=_retry_after(seconds),
    )


def badge_id_not_found(badge_id: UUID) -> ProblemError:
    """404: the tenant has no badge definition of that id."""
    return ProblemError(HTTPStatus.NOT_FOUND, "badge_not_found", f"Badge '{badge_id}' not found")


def invalid(field: str, problem: str, *, place: str = "body", kind: str = "value_error") -> ProblemError:
    """422: one value does not fit."""
    location: list[str | int] = [place] if field == place else [place, field]
    return validation_error([FieldError(loc=location, msg=problem, type=kind)])


def validation_error(errors: Sequence[FieldError]) -> ProblemError:
    """422: what the caller sent does not fit what is documented."""
    first = errors[0]
    where = ".".join(str(part) for part in first.loc)
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "validation_error",
        f"{where}: {first.msg}{more}",
        errors=errors,
    )


def field_errors(errors: Sequence[Any], *within: str) -> Sequence[FieldError]:
    """Pydantic's errors without the values, which may be secret, huge or not even text; `within` stands before each."""
    return [
        FieldError(
            loc=[*within, *error["loc"]],
            msg=_MESSAGES.get(error["type"]) or str(error["msg"]).removeprefix("Value error, "),
            type=error["type"],
        )
        for error in errors
    ]


def add_problem_handlers(app: FastAPI) -> None:
    """Have every error of `app`, the framework's included, answered in this shape."""

    @app.exception_handler(ProblemError)
    async def _problem(request: Request, error: ProblemError) -> Response:
        return problem_response(error, request)

    @app.exception_handler(DomainError)
    async def _domain(request: Request, error: DomainError) -> Response:
        return problem_response(problem_of(error), request)

    @app.exception_handler(StorageUnavailableError)
    async def _storage(request: Request, error: StorageUnavailableError) -> Response:
        log.warning("postgres.unavailable", error=str(error))
        return problem_response(unavailable("Postgres"), request)

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> Response:
        return problem_response(validation_error(field_errors(error.errors())), request)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        code = _CODE_OF.get(status, status.phrase.lower().replace(" ", "_"))
        problem = ProblemError(status, code, f"{request.method} {request.scope['path'][:_QUOTED]}: {status.phrase}")
        problem.headers |= dict(error.headers or {})
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            problem.headers["Allow"] = allowed_methods(request)
        return problem_response(problem, request)

    @app.exception_handler(Exception)
    async def _defect(request: Request, error: Exception) -> Response:
        # The route, never the path: that holds the participant's id.
        route = getattr(request.scope.get("route"), "path", None)
        log.error("request.failed", method=request.method, route=route, exc_info=error)
        detail = "The service failed; repeating the call is safe"
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        # The server closes the connection after a defect; unsaid, the caller's next request would be lost on it.
        return problem_response(ProblemError(status, "internal_error", detail, headers=_CLOSE), request)


def problem_of(error: DomainError) -> ProblemError:
    """What a domain error is over HTTP."""
    if isinstance(error, InvalidValueError):
        return invalid(error.field, error.problem)
    if isinstance(error, JsonMalformedError | JsonNotUtf8Error):
        return invalid("body", f"is not JSON: {error}", kind="json_invalid")
    status = _STATUS_OF.get(type(error))
    if status is None:
        raise TypeError(f"{type(error).__name__} has no HTTP status") from error
    return ProblemError(
        status, error.code, str(error), headers=_CHALLENGE if status is HTTPStatus.UNAUTHORIZED else None
    )


def problem_response(error: ProblemError, request: Request | None = None) -> Response:
    """The answer; with what is known of the request's rate limit."""
    known: dict[str, str] = {} if request is None else getattr(request.state, "rate_limit_headers", {})
    headers = known | error.headers
    body = error.problem.model_dump(exclude_none=True)
    return JSONResponse(body, error.problem.status, headers, MEDIA_TYPE)
