"""Answers that a client need not fetch again: `ETag` and `If-None-Match` (RFC 9110)."""

import hashlib
from http import HTTPStatus

from fastapi.responses import Response

from api.field_lines import FieldLines

CACHE_CONTROL = "private, no-cache"
"""A client may keep the answer for itself, and has to ask each time whether it still holds."""


def conditional_json(content: bytes, if_none_match: FieldLines) -> Response:
    """Answer with this JSON, or with 304 where one of the lines of If-None-Match names just that."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": CACHE_CONTROL, "Vary": "X-API-Key"}
    if _matches(tag, if_none_match):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(content, media_type="application/json", headers=headers)


def _matches(tag: str, lines: FieldLines) -> bool:
    """Compare weakly, as If-None-Match asks. No tag of ours holds a comma."""
    tags = {part.strip().removeprefix("W/") for line in lines or () for part in line.split(",")}
    return "*" in tags or tag in tags
