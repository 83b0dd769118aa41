"""Badge definitions as the tests make them over HTTP."""

from collections.abc import Mapping
from typing import Any

import httpx

BADGES = "/admin/badges"
EXAMPLE: Mapping[str, object] = {
    "code": "streak_7",
    "name": "Seven Days",
    "description": "Log in on seven days.",
    "icon_url": "https://cdn.example.com/badges/seven.png",
    "badge_color": "#7C3AED",
    "rarity": "rare",
    "category": "engagement",
    "display_order": 10,
}


def body(**changes: object) -> dict[str, object]:
    """The documented example with a code of its own, changed; a field set to `...` is left out."""
    return {name: value for name, value in (dict(EXAMPLE) | changes).items() if value is not ...}


async def create(admin: httpx.AsyncClient, **changes: object) -> dict[str, Any]:
    """Create a badge; return it as it was answered."""
    answer = await admin.post(BADGES, json=body(**changes))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def assert_refused(answer: httpx.Response, status: int, code: str) -> None:
    """The answer is an error in the documented shape."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert isinstance(answer.json()["detail"], str)
