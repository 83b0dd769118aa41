"""What OpenAPI says of errors."""

from http import HTTPStatus
from typing import Any

from api.problems import MEDIA_TYPE, Problem

_MEANINGS = {
    400: "`badge_code_conflict`: another badge definition already uses that code",
    401: "`unauthorized`: X-API-Key header missing, invalid, expired, or revoked",
    403: "`forbidden`: the tenant is disabled, or the key lacks the scope",
    404: "`badge_not_found`: no such badge",
    413: "`payload_too_large`: the body has more than 64 KiB",
    415: "`unsupported_media_type`: the body is not application/json",
    422: "`validation_error`: a value does not fit its documented type and length",
    429: "`RATE_LIMIT_PARTICIPANT_EXCEEDED`: Retry-After tells when to try again",
    503: "`unavailable` or `award_pending`: repeat after Retry-After; it is always safe",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the errors that an operation may answer with."""
    return {
        status: {
            "description": f"{HTTPStatus(status).phrase}: {_MEANINGS[status]}",
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


PROBLEM_MODEL = Problem
