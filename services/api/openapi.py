"""What the served OpenAPI document says beyond the operations."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel

from api.badge_bodies import BadgeBody, BadgeChanges
from api.bodies import AwardBody
from api.problems import Problem

DESCRIPTION = """\
Award badges to participants, list earned and unearned badges with rarity and icons, and manage badge
definitions. Awards are idempotent on (participant_id, badge_code): a duplicate call is answered with
the original award.

## Keys
Every endpoint needs an `X-API-Key` header. Whoever runs the gateway makes keys:

    badgectl tenants create acme
    badgectl keys create acme --environment test
    badgectl keys create acme --environment live --scope admin --name backoffice --expires 90d

The key is shown once. `badgectl keys list acme` shows what there is, `badgectl keys revoke ID` ends one
within 5 seconds. The demo stack (`make up`) prints keys of its own.

## Environments
`bq_live_…` keys work on the live environment, `bq_test_…` keys on the sandbox. The two share nothing:
neither definitions nor participants nor awards.

## Scopes
Any valid key may award badges and read participants. The `admin` endpoints need a key with the `admin`
or `gamify:admin` scope; other keys get 403 `forbidden`.

## Errors
Every error is `application/problem+json` (RFC 9457): `type`, `title`, `status`, `detail` and a stable
`code`; `validation_error` adds `errors`, one for each value that does not fit. They are checked in this
order: key (401), tenant and scope (403), size (413), shape (422), rate (429), existence (404, 400).
What is no HTTP at all gets 400 `bad_request`, a head that does not arrive in time 408.

## Rate limit
Award calls are counted per participant: 120 a minute, unless the gateway is set up otherwise. The next
one gets 429 with `Retry-After`. Award answers carry `X-RateLimit-Limit`, `X-RateLimit-Remaining` and
`X-RateLimit-Reset`. Nothing else is counted.

## Repeating calls
Repeating an award is always safe, after a timeout or a 503 too: there is one award, with one
`earned_at`, however often it is asked for. No Idempotency-Key is needed; one that is sent is ignored.
Update and deactivation may be repeated as well. A create that is repeated may get 400
`badge_code_conflict` of its own badge.

## JSON
Bodies are UTF-8 JSON of at most 64 KiB. Types are strict: no `"5"` for a number, no `1` for a boolean.
Of a duplicate key the last one counts; unknown fields are ignored. Text holds neither NUL nor lone
surrogates. Times are RFC 3339 in UTC with `Z`, to the microsecond.
"""

TAGS = [
    {"name": "Awards", "description": "Give a badge to a participant. Any valid key."},
    {"name": "Participants", "description": "What a participant has earned, and what there is to earn. Any valid key."},
    {"name": "Explanations", "description": "Why a participant has a badge or not. `admin` or `gamify:admin` scope."},
    {"name": "Badge definitions", "description": "What can be earned. `admin` or `gamify:admin` scope."},
]

NULL = {"type": "null"}


def operation_id(route: APIRoute) -> str:
    """The function's name: short, and good as a method's name in a generated client."""
    return route.name


def describe(app: FastAPI) -> None:
    """Complete the document: bodies read by our own reader, problems, the title page."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version="1",
        description=DESCRIPTION,
        routes=app.routes,
        tags=TAGS,
        servers=[{"url": "/", "description": "The gateway that serves this document"}],
        license_info={"name": "Apache License 2.0", "identifier": "Apache-2.0"},
    )
    schemas = document["components"]["schemas"]
    for model in (AwardBody, BadgeBody, BadgeChanges, Problem):
        schemas.update(_schemas_of(model))
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own 422 body, which is never sent
        schemas.pop(name, None)
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", []):
                _drop_null(parameter["schema"])
    return document


def _schemas_of(model: type[BaseModel]) -> dict[str, Any]:
    described = model.model_json_schema(ref_template="#/components/schemas/{model}")
    definitions: dict[str, Any] = described.pop("$defs", {})
    return definitions | {model.__name__: described}


def _drop_null(schema: dict[str, Any]) -> None:
    """A parameter is there or not; it cannot be null."""
    kinds = [kind for kind in schema.pop("anyOf", []) if kind != NULL]
    for kind in kinds:
        schema.update(kind)
