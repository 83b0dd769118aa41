"""Paths as they were sent, so that an id may hold any character."""

from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX = "/api/v1/gamify"
"""Before every path of the contract."""


class EncodedPaths:
    """ASGI middleware: routes are matched on the percent-encoded path.

    Servers decode the path first; an id with `%2F` or a line break would then match no route.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Replace the decoded path by the raw one."""
        if scope["type"] == "http" and scope.get("raw_path"):
            scope["path"] = scope["raw_path"].decode("latin-1")
        await self._app(scope, receive, send)


def decode_segment(segment: str) -> str:
    """Decode one percent-encoded path segment.

    Raises:
        UnicodeDecodeError: what it stands for is not UTF-8.
    """
    return unquote_to_bytes(segment).decode("utf-8")
