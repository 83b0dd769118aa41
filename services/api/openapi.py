"""What the served OpenAPI document says beyond the operations."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.badge_bodies import BadgeBody, BadgeChanges
from api.bodies import AwardBody
from api.problems import Problem

DESCRIPTION = """\
Award badges to participants: each (participant, badge) once, for ever. Every duplicate call is
answered with the original award.

Every endpoint needs an `X-API-Key`. Operators make keys with `badgectl`; the demo stack prints some.
Errors are `application/problem+json` with a stable `code`.
"""


def describe(app: FastAPI) -> None:
    """Complete the document: bodies read by our own reader, problems, the title page."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version="1", description=DESCRIPTION, routes=app.routes)
            schemas = schema.setdefault("components", {}).setdefault("schemas", {})
            for model in (AwardBody, BadgeBody, BadgeChanges, Problem):
                described = model.model_json_schema(ref_template="#/components/schemas/{model}")
                schemas.update(described.pop("$defs", {}))
                schemas[model.__name__] = described
            _drop_default_validation(schema)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way


def _drop_default_validation(schema: dict[str, Any]) -> None:
    """FastAPI announces its own 422 body, which is never sent."""
    for name in ("HTTPValidationError", "ValidationError"):
        schema["components"]["schemas"].pop(name, None)
