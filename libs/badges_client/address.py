"""Where a gateway is, and the key to speak to it with."""

import re
from typing import TypedDict

import httpx

PREFIX = "/api/v1/gamify"
TIMEOUT_SECONDS = 10.0
"""A gateway answers within 5 s, or says that it cannot."""

_SENDABLE = re.compile(r"[!-~]+")


class HttpOptions(TypedDict):
    """What both kinds of httpx's client are made with."""

    base_url: httpx.URL
    headers: dict[str, str]


def http_options(url: str, key: str) -> HttpOptions:
    """Read the address of a gateway, with or without `/api/v1/gamify` behind it.

    Raises:
        ValueError: not such an address, or the key cannot be sent. The key is in no message.
    """
    if not _SENDABLE.fullmatch(key):
        raise ValueError("the key is empty, or holds characters that cannot be sent")
    return {
        "base_url": _base_url(url),
        "headers": {"X-API-Key": key, "User-Agent": "badges-client"},
    }


def _base_url(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url.rstrip("/").removesuffix(PREFIX) + PREFIX)
    except httpx.InvalidURL as error:
        raise ValueError(f"not the URL of a gateway: {error}") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.userinfo or parsed.query or parsed.fragment:
        raise ValueError("a gateway's URL is http(s)://host[:port][/path]")
    return parsed
