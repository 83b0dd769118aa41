"""Award calls as the tests make them, and what every error has to look like."""

from collections.abc import Mapping
from typing import Any

import httpx

AWARD = "/badges/award"
EXAMPLE = {"participant_id": "user_123", "badge_code": "power_user", "metadata": {"trigger": "10th_login"}}
KIB = 1024


def body(**changes: object) -> dict[str, object]:
    """The documented example, changed; a field set to `...` is left out."""
    return {name: value for name, value in (EXAMPLE | changes).items() if value is not ...}


def assert_problem(answer: httpx.Response, status: int, code: str) -> Mapping[str, Any]:
    """The answer is an error in the documented shape; return its body."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: Mapping[str, Any] = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert all(isinstance(problem[name], str) for name in ("type", "title", "detail"))
    assert ("errors" in problem) is (status == httpx.codes.UNPROCESSABLE_ENTITY)
    for error in problem.get("errors", []):
        assert set(error) == {"loc", "msg", "type"}
    return problem


async def post(client: httpx.AsyncClient, raw: bytes | str, **headers: str) -> httpx.Response:
    """Send a body as it is."""
    return await client.post(AWARD, content=raw, headers={"Content-Type": "application/json"} | headers)
