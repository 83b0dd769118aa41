"""Methods: HEAD wherever there is GET, and what `Allow` says."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_ROUTED_AS: Mapping[str, str] = {"HEAD": "GET"}


class HeadAsGet:
    """ASGI middleware: HEAD is answered as the GET it asks about. The server leaves the body out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; a HEAD as GET, in a scope of its own: the server looks at its own scope for the method."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        as_get = {**scope, "method": _ROUTED_AS["HEAD"]}
        try:
            await self._app(as_get, receive, send)
        finally:
            scope["route"] = as_get.get("route")  # requests are counted under it


def allowed_methods(request: Request) -> str:
    """The methods of the request's path, for `Allow`: the framework names only those of the first route."""
    return ", ".join(method for method in METHODS if _is_routed(request, _ROUTED_AS.get(method, method)))


def _is_routed(request: Request, method: str) -> bool:
    scope = {**request.scope, "method": method}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes)
