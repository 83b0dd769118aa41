"""A request has to be of a reasonable size and has to arrive in time: 431 and 408."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import head_too_large, problem_response, request_timeout

HEAD_BYTES = 80 * 1024
"""Room for 100 badge codes of 50 percent-encoded characters each, and for the headers of proxies."""

INCOMPLETE_HEAD_BYTES = 128 * 1024
"""What the server keeps of a head that is not complete: more than `HEAD_BYTES`, so that those decide."""


class RequestBounds:
    """ASGI middleware: `seconds` from the first read of a body until it is complete; heads of `HEAD_BYTES` at most.

    The error is raised into whoever reads the body, so that it is answered like any other problem.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with a `receive` that gives up."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif _head_bytes(scope) > HEAD_BYTES:
            await problem_response(head_too_large())(scope, receive, send)
        else:
            await self._app(scope, self._timed(receive), send)

    def _timed(self, receive: Receive) -> Receive:
        deadline: float | None = None
        is_complete = False

        async def timed() -> Message:
            nonlocal deadline, is_complete
            if is_complete:
                return await receive()
            if deadline is None:
                deadline = asyncio.get_running_loop().time() + self._seconds
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError as error:
                raise request_timeout(self._seconds) from error
            is_complete = not message.get("more_body", False)
            return message

        return timed


def _head_bytes(scope: Scope) -> int:
    headers = sum(len(name) + len(value) for name, value in scope["headers"])
    return headers + len(scope.get("raw_path") or b"") + len(scope["query_string"])
