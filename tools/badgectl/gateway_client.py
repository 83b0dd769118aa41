"""Speaks to a gateway over HTTP."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from badgectl.addresses import Gateway
from badgectl.failures import CommandError

PREFIX = "/api/v1/gamify"
TIMEOUT_SECONDS = 15


def post_award(gateway: Gateway, body: Mapping[str, object]) -> Mapping[str, Any]:
    """Ask for an award; return the answer.

    Raises:
        CommandError: no answer, or the answer is a problem.
    """
    return _call(gateway, "POST", "/badges/award", json=dict(body))


def get_badges(gateway: Gateway, participant_id: str, *, earned_only: bool) -> Mapping[str, Any]:
    """Return a participant's list.

    Raises:
        CommandError: no answer, or the answer is a problem.
    """
    path = f"/participants/{encode_segment(participant_id)}/badges"
    return _call(gateway, "GET", path, params={"earned_only": "true"} if earned_only else {})


def encode_segment(text: str) -> str:
    """Percent-encode one path segment; `.` and `..` would else be taken for steps in the path.

    Raises:
        CommandError: a lone surrogate: the terminal's text was not UTF-8.
    """
    try:
        encoded = quote(text, safe="")
    except UnicodeEncodeError as error:
        raise CommandError("the participant id is not UTF-8") from error
    return encoded.replace(".", "%2E") if set(text) == {"."} else encoded


def _call(gateway: Gateway, method: str, path: str, **options: Any) -> Mapping[str, Any]:  # noqa: ANN401 - httpx's own options
    try:
        answer = httpx.request(
            method,
            f"{gateway.url.rstrip('/')}{PREFIX}{path}",
            headers={"X-API-Key": gateway.key},
            timeout=TIMEOUT_SECONDS,
            **options,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CommandError(f"{gateway.url} does not answer: {error}") from error
    except UnicodeEncodeError as error:
        raise CommandError("the key or an id holds characters that cannot be sent") from error
    try:
        content = answer.json()
    except ValueError as error:
        raise CommandError(f"{gateway.url} answered {answer.status_code}, without JSON: is it the gateway?") from error
    if not answer.is_success:
        detail = content.get("detail") if isinstance(content, dict) else None
        raise CommandError(f"{detail or answer.reason_phrase} ({answer.status_code})")
    if not isinstance(content, dict):
        raise CommandError(f"{gateway.url} answered something else than an object: is it the gateway?")
    return content
