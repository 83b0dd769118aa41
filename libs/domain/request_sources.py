"""The CloudEvents source by which a gateway's requests say which API key asked."""

import re
from uuid import UUID

GATEWAY_SOURCE = "/badges/api"
"""All that gateways said before they named the key."""

_KEY_SOURCE = re.compile(re.escape(GATEWAY_SOURCE) + r"/keys/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.ASCII)


def key_source(key_id: UUID) -> str:
    """The source of what is asked for with that key."""
    return f"{GATEWAY_SOURCE}/keys/{key_id}"


def key_of_source(source: str) -> UUID | None:
    """The key that a source names; None when it names none.

    Whoever may write to `award_requests` may say any source: look the key up within the request's tenant alone.
    """
    found = _KEY_SOURCE.fullmatch(source)
    return UUID(found[1]) if found else None


def is_of_a_gateway(source: str) -> bool:
    """Whether the source is one that gateways give."""
    return source == GATEWAY_SOURCE or key_of_source(source) is not None
