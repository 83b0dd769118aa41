"""HTTP/1.1 connections with bounds that uvicorn does not set: slow heads, endless bodies, unread answers.

Every error of the connection itself is answered in the problem shape too.
"""

import asyncio
import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.problems import MEDIA_TYPE, ProblemError, head_too_large, malformed_request, request_timeout, unavailable
from api.request_bounds import INCOMPLETE_HEAD_BYTES

MOST_DRAINED = 16 * 1024 * 1024
"""Bytes of a body that are passed over once its request is answered: closing at once could lose the answer."""


MOST_BESIDE_BODY = 128 * 1024
"""Bytes of chunks' sizes and extensions, and of trailers, with not one byte of the body among them."""

MOST_QUEUED = 100
"""Requests that were sent before the answer to an earlier one: what comes behind them is not answered."""

LONGEST_TARGET = 64 * 1024 - 1
"""The parser's own limit, in bytes."""


class BoundedProtocol(HttpToolsProtocol):
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
        self._served: RequestResponseCycle | None = None
        self._is_in_head = False
        self._is_in_body = False
        self._head_bytes = 0
        self._drained = 0
        self._beside_body = 0
        self._last = self._again = b""

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
        self._head_bytes = self._head_bytes + len(data) if self._is_in_head else 0
        self._beside_body = self._beside_body + len(data) if self._is_in_body else 0
        self._again = data
        while self._again:
            self._last, self._again = self._again, b""
            super().data_received(self._last)
        self._last = b""
        if self._drained > MOST_DRAINED:
            self.transport.close()
        if self._is_in_body and self._beside_body > MOST_BESIDE_BODY:
            self._end(malformed_request())
        if self._is_in_head and self._head_bytes > INCOMPLETE_HEAD_BYTES:
            self._end(head_too_large())
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers, and let the request that is served see it: uvloop raises where one writes after this.

        uvicorn tells the last request that came; with several in the pipeline the one served is another.
        """
        self._owed.cancel()
        self._unread.cancel()
        if self._served is not None:
            self._served.disconnected = True
            self._served.message_event.set()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The caller does not read its answer: not for ever."""
        super().pause_writing()
        self._unread.start()

    def resume_writing(self) -> None:
        """The caller reads again."""
        self._unread.cancel()
        super().resume_writing()

    def on_message_begin(self) -> None:
        """The first byte of a head."""
        self._is_in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One line of a head; those behind a body (trailers) nobody reads."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        self._beside_body = 0
        super().on_body(body)

    def on_response_complete(self) -> None:
        """Take the next request up; read no more before the queue is empty."""
        super().on_response_complete()
        if self.pipeline:
            self.flow.pause_reading()

    def on_headers_complete(self) -> None:
        """Refuse what the parser lets through: RFC 9112 wants one Host, and we know no coding but `chunked`."""
        self._is_in_head = False
        if self.parser.get_method() == b"CONNECT" or len(self.pipeline) >= MOST_QUEUED:
            raise malformed_request()
        if self.parser.should_upgrade():
            return
        if len(self.url) > LONGEST_TARGET:
            raise head_too_large()
        hosts = 0
        for name, value in self.headers:
            hosts += name == b"host"
            if name == b"transfer-encoding" and value.lower() != b"chunked":
                raise malformed_request()
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() == "1.1"):
            raise malformed_request()
        super().on_headers_complete()
        self._is_in_body = True

    def on_message_complete(self) -> None:
        """The last byte of a body."""
        if self.parser.should_upgrade():
            return
        self._is_in_body = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """Answer what is no HTTP/1.1. Called where the parser's error is handled."""
        error = sys.exc_info()[1]
        cause = None if error is None else error.__context__
        self._end(cause if isinstance(cause, ProblemError) else malformed_request())

    def _unsupported_upgrade_warning(self) -> None:
        """Read the request once more, without `Upgrade`: the parser passes over the body of one that has it.

        Clients that would rather speak HTTP/2 ask for it with every call, Java's own among them. Called where the
        parser's stop is handled; it says how much of the last bytes was read.
        """
        stop = sys.exc_info()[1]
        rest = self._last[stop.args[0] :] if isinstance(stop, httptools.HttpParserUpgrade) else b""
        lines = [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        head = b"\r\n".join([self.parser.get_method() + b" " + self.url + b" HTTP/1.1", *lines, b"", b""])
        self.parser = httptools.HttpRequestParser(self)
        self._again = head + rest

    def _is_draining(self) -> bool:
        """The request is answered, its body still comes."""
        return self._is_in_body and not self._is_answering()

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _watch(self) -> None:
        """Time what the caller owes, once for all of it: a byte now and then gains nothing."""
        owes = self._is_in_head or not self._is_answering()
        if not owes or self.transport.is_closing():
            self._owed.cancel()
        else:
            self._owed.start()

    def _give_up(self) -> None:
        if self._is_in_head:
            self._end(request_timeout(self.receive_seconds))
        else:
            self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._served = cycle
        super()._start_asgi_task(cycle, app)

    def _abort(self) -> None:
        """Close without waiting for what is not read."""
        self.transport.abort()

    def _end(self, error: ProblemError) -> None:
        """Answer, if an answer is still possible, and close: after those that are due before."""
        if self.transport.is_closing():
            return
        if self._is_answering() and not (self._is_in_body and not self.pipeline):
            self.cycle.keep_alive = False
            return
        if self._is_answering():  # what its request was for has to see that nobody listens any more
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not self._is_draining() and not (self._is_answering() and self.cycle.response_started):
            self.transport.write(self._answer(error))
        self.transport.close()

    def _answer(self, error: ProblemError) -> bytes:
        content = error.problem.model_dump_json(exclude_none=True).encode()
        headers = {
            "content-type": MEDIA_TYPE,
            "content-length": str(len(content)),
            **error.headers,
            "connection": "close",
        }
        status = HTTPStatus(error.problem.status)
        lines = [f"{name}: {value}".encode() for name, value in headers.items()]
        lines += [name + b": " + value for name, value in self.server_state.default_headers]
        has_no_body = self._is_answering() and self.scope["method"] == "HEAD"
        head = b"\r\n".join([f"HTTP/1.1 {status.value} {status.phrase}".encode(), *lines, b"", b""])
        return head if has_no_body else head + content


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
