"""At most so many requests at once; the next one hears 503 and may repeat."""

from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import problem_response, unavailable

OPERATIONS = frozenset({"/livez", "/readyz", "/metrics"})
"""Answered however many others are under way: a busy gateway is not a dead one."""


class LimitRequests:
    """ASGI middleware: refuses what would be more than `most` requests under way."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 503."""
        if scope["type"] != "http" or scope["path"] in OPERATIONS:
            await self._app(scope, receive, send)
            return
        if self._under_way >= self._most:
            await problem_response(unavailable("The gateway"))(scope, receive, send)
            return
        self._under_way += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way -= 1
