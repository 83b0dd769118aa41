"""What the `/readyz` of a gateway or worker says."""

from collections.abc import Sequence
from typing import Any

import httpx


async def failing_checks(client: httpx.AsyncClient, url: str) -> Sequence[str]:
    """Return the names of the checks that fail; none when the process is ready.

    Raises:
        httpx.HTTPError: no answer.
    """
    answer = await client.get(f"{url}/readyz")
    if answer.status_code == httpx.codes.OK:
        return []
    try:
        body: Any = answer.json()
        failing = [name for name, state in body["checks"].items() if state != "ok"]
    except (ValueError, LookupError, TypeError, AttributeError):
        failing = []
    return failing or [f"HTTP {answer.status_code}"]
