"""What OpenAPI says of answers: which errors an operation gives, with an example of each, and which headers."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from api.problems import (
    MEDIA_TYPE,
    FieldError,
    ProblemError,
    award_pending,
    badge_id_not_found,
    head_too_large,
    payload_too_large,
    problem_of,
    request_timeout,
    title_of,
    too_many_awards,
    unavailable,
    unsupported_media_type,
    validation_error,
)
from domain.errors import BadgeCodeConflictError, BadgeNotFoundError, ForbiddenError, UnauthorizedError
from domain.limits import REQUEST_BYTES

EXAMPLE_BADGE_ID = UUID("0f9d3f52-6b1c-4c58-9a54-2f2b8b1e7c10")

Responses = dict[int | str, dict[str, Any]]
"""As FastAPI takes them: by status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Documented:
    """One error of an operation: the very problem that is sent, under a name, and when it is."""

    name: str
    error: ProblemError
    when: str


UNAUTHORIZED = Documented(
    name="unauthorized",
    error=problem_of(UnauthorizedError()),
    when="X-API-Key header missing, invalid, expired, or revoked.",
)
TENANT_DISABLED = Documented(
    name="tenant_disabled",
    error=problem_of(ForbiddenError("The tenant is disabled")),
    when="Tenant is disabled.",
)
MISSING_SCOPE = Documented(
    name="missing_scope",
    error=problem_of(ForbiddenError("The API key is missing the admin or gamify:admin scope")),
    when="API key is missing the admin or gamify:admin scope.",
)
UNKNOWN_CODE = Documented(
    name="unknown_badge_code",
    error=problem_of(BadgeNotFoundError("power_user")),
    when="No active badge definition exists for the supplied badge_code.",
)
UNKNOWN_ID = Documented(
    name="unknown_badge_id",
    error=badge_id_not_found(EXAMPLE_BADGE_ID),
    when="No badge exists for the supplied badge_id.",
)
CODE_TAKEN = Documented(
    name="badge_code_conflict",
    error=problem_of(BadgeCodeConflictError("power_user")),
    when="Another badge definition already uses that code for this tenant.",
)
TOO_SLOW = Documented(
    name="request_timeout", error=request_timeout(10), when="The body did not arrive in time; the connection is closed."
)
TOO_LARGE = Documented(
    name="payload_too_large", error=payload_too_large(REQUEST_BYTES), when="The body has more than 64 KiB."
)
NOT_JSON = Documented(
    name="unsupported_media_type",
    error=unsupported_media_type("text/plain"),
    when="Content-Type is not application/json.",
)
TOO_MANY = Documented(
    name="too_many_awards",
    error=too_many_awards(limit=120, seconds=17),
    when="Per-participant write rate cap exceeded. The Retry-After response header tells you when to retry.",
)
HEAD_TOO_LARGE = Documented(
    name="head_too_large", error=head_too_large(), when="Path, query and headers have more than 80 KiB."
)
UNAVAILABLE = Documented(
    name="unavailable",
    error=unavailable("Postgres"),
    when="Kafka or Postgres cannot answer, or too many requests are under way. Repeating is safe.",
)
AWARD_PENDING = Documented(
    name="award_pending",
    error=award_pending(),
    when="The request is in the log, its outcome is not known in time. Repeating is safe.",
)

EVERYWHERE = (UNAUTHORIZED, TENANT_DISABLED, HEAD_TOO_LARGE, UNAVAILABLE)
"""What every operation may answer."""

WITH_A_BODY = (TOO_SLOW, TOO_LARGE, NOT_JSON)
"""What every operation that reads a body may answer."""


def unfit(place: str, field: str, problem: str, kind: str) -> Documented:
    """422, with one value that does not fit as the example."""
    return Documented(
        name="validation_error",
        error=validation_error([FieldError(loc=[place, field], msg=problem, type=kind)]),
        when="A value does not fit its documented type and length, or the JSON is malformed.",
    )


def problems(*documented: Documented, headers: Mapping[str, Any] | None = None) -> Responses:
    """Describe the errors of an operation, by status. `headers` may be on those that are decided last."""
    by_status: dict[int, list[Documented]] = defaultdict(list)
    for each in documented:
        by_status[each.error.problem.status].append(each)
    return {status: _problem_response(status, by_status[status], headers or {}) for status in sorted(by_status)}


def answer(
    description: str,
    examples: Mapping[str, object],
    headers: Mapping[str, Any] | None = None,
    links: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Describe a success; `links` are calls that go on from it."""
    named = {name: {"value": value} for name, value in examples.items()}
    described: dict[str, Any] = {"description": description}
    if named:
        described["content"] = {"application/json": {"examples": named}}
    more = {"headers": headers, "links": links}
    return described | {name: dict(value) for name, value in more.items() if value}


def header(description: str, *, example: object, kind: str = "string", required: bool = True) -> dict[str, Any]:
    """Describe a response header."""
    return {
        "description": description,
        "required": required,
        "schema": {"type": kind},
        "example": example,
    }


def rate_limit_headers(*, required: bool) -> dict[str, Any]:
    """The headers that tell of the cap, once a call is counted."""
    return {
        "X-RateLimit-Limit": header(
            "Award calls per minute for this participant.", example=120, kind="integer", required=required
        ),
        "X-RateLimit-Remaining": header(
            "Calls left in the current minute.", example=119, kind="integer", required=required
        ),
        "X-RateLimit-Reset": header(
            "Unix time, in seconds, at which a call is free again.",
            example=1771063260,
            kind="integer",
            required=required,
        ),
    }


SENT_WITH_PROBLEMS = {
    "Retry-After": header("Whole seconds to wait before the next try, at least 1.", example=1, kind="integer"),
    "WWW-Authenticate": header("What is missing: a key.", example="APIKey"),
}
LAST_DECIDED = {HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


def _problem_response(status: int, documented: Sequence[Documented], last: Mapping[str, Any]) -> dict[str, Any]:
    meanings = [f"- `{each.error.problem.code}`: {each.when}" for each in documented]
    headers = dict(last) if status in LAST_DECIDED else {}
    sent = {name for each in documented for name in each.error.headers}
    headers |= {name: described for name, described in SENT_WITH_PROBLEMS.items() if name in sent}
    described: dict[str, Any] = {
        "description": "\n".join([title_of(HTTPStatus(status)), "", *meanings]),
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {
                    each.name: {
                        "summary": each.when,
                        "value": each.error.problem.model_dump(mode="json", exclude_none=True),
                    }
                    for each in documented
                },
            }
        },
    }
    return described | ({"headers": headers} if headers else {})
