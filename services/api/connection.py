"""HTTP/1.1 connections with bounds that uvicorn does not set: slow heads, endless bodies, unread answers.

Every error of the connection itself is answered in the problem shape too.
"""

import asyncio
import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.problems import MEDIA_TYPE, ProblemError, head_too_large, malformed_request, request_timeout, unavailable

MOST_DRAINED = 16 * 1024 * 1024
"""Bytes of a body that are passed over once its request is answered: closing at once could lose the answer."""


class BoundedProtocol(H11Protocol):
    """One connection.

    Whatever the caller owes (a request's head, the rest of a body that is answered already, reading
    the answer) has to come within `receive_seconds`. Bodies under way: `api.request_bounds`.
    """

    receive_seconds: ClassVar[float] = 10.0
    most_connections: ClassVar[int] = 900

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's
        super().__init__(*args, **kwargs)
        self._owed = _Timer(self.receive_seconds, self._give_up)
        self._unread = _Timer(self.receive_seconds, self._abort)
        self._drained = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Begin to wait for a request; refuse the connection when there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            self._end(unavailable("The gateway"))
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        """Take in what came, and see whether more is owed."""
        self._drained = self._drained + len(data) if self._is_draining() else 0
        super().data_received(data)
        if self._drained > MOST_DRAINED:
            self.transport.close()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        self._owed.cancel()
        self._unread.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The caller does not read its answer: not for ever."""
        super().pause_writing()
        self._unread.start()

    def resume_writing(self) -> None:
        """The caller reads again."""
        self._unread.cancel()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """Answer what is no HTTP/1.1, or has too large a head. Called where h11's error is handled."""
        hint = getattr(sys.exc_info()[1], "error_status_hint", None)
        too_large = hint == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        self._end(head_too_large() if too_large else malformed_request())

    def _is_draining(self) -> bool:
        """The request is answered, its body still comes."""
        return self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY

    def _watch(self) -> None:
        """Time what the caller owes, once for all of it: a byte now and then gains nothing."""
        owes = self.conn.their_state is h11.IDLE or self._is_draining()
        if not owes or self.transport.is_closing():
            self._owed.cancel()
        else:
            self._owed.start()

    def _give_up(self) -> None:
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._end(request_timeout(self.receive_seconds))
        else:
            self.transport.close()

    def _abort(self) -> None:
        """Close without waiting for what is not read."""
        self.transport.abort()

    def _end(self, error: ProblemError) -> None:
        """Answer, if an answer is still possible, and close."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            if self.cycle is not None:  # what its request was for has to see that nobody listens any more
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            for event in self._answer(error):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _answer(self, error: ProblemError) -> tuple[h11.Event, ...]:
        content = error.problem.model_dump_json(exclude_none=True).encode()
        headers = {
            "Content-Type": MEDIA_TYPE,
            "Content-Length": str(len(content)),
            **error.headers,
            "Connection": "close",
        }
        status = error.problem.status
        response = h11.Response(
            status_code=status,
            headers=[*self.server_state.default_headers, *((name.encode(), v.encode()) for name, v in headers.items())],
            reason=HTTPStatus(status).phrase.encode(),
        )
        has_no_body = self.conn.our_state is h11.SEND_RESPONSE and self.scope["method"] == "HEAD"
        return (response, h11.Data(data=b"" if has_no_body else content), h11.EndOfMessage())


def bounded_protocol(*, seconds: float, connections: int) -> type[BoundedProtocol]:
    """The protocol with the limits of the settings, as uvicorn wants it: a class."""

    class Protocol(BoundedProtocol):
        receive_seconds = seconds
        most_connections = connections

    return Protocol


class _Timer:
    """Runs once, unless cancelled before; starting it again while it runs changes nothing."""

    def __init__(self, seconds: float, act: Callable[[], object]) -> None:
        self._seconds = seconds
        self._act = act
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_later(self._seconds, self._act)

    def cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
