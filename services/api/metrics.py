"""The gateway's numbers, in Prometheus form, and the middleware that counts requests."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.methods import METHODS
from api.problems import ProblemError
from domain.errors import DomainError, StorageUnavailableError
from telemetry import metrics as names
from telemetry.process_metrics import ProcessMetrics

AWARD_OUTCOMES = (
    "awarded",
    "already_earned",
    "accepted",
    "badge_not_found",
    "RATE_LIMIT_PARTICIPANT_EXCEEDED",
    "award_pending",
    "unavailable",
)
"""Shown from the start, as 0: so the first of a kind is an increase. Rare codes are shown once they are answered."""


class ApiMetrics(ProcessMetrics):
    """The numbers of one gateway process."""

    def __init__(self) -> None:
        super().__init__()
        registry = self.registry
        # To look a child up takes longer than to count.
        self.request = cache(names.API_REQUESTS.counter(registry).labels)
        self.seconds = cache(names.API_REQUEST_SECONDS.histogram(registry).labels)
        self.award = cache(names.API_AWARDS.counter(registry).labels)
        self.rate_limit_failures = names.API_RATE_LIMIT_FAILURES.counter(registry)
        self.requests_under_way = 0
        names.API_UNDER_WAY.gauge(registry).set_function(lambda: self.requests_under_way)
        self._awards_waiting = names.API_AWARDS_WAITING.gauge(registry)
        self._reader_is_ready = names.API_OUTCOME_READER_IS_READY.gauge(registry)
        for outcome in AWARD_OUTCOMES:
            self.award(outcome)

    def note_outcomes(self, *, is_ready: bool, waiting: int) -> None:
        """Tell whether answers of workers are seen now, and how many award calls wait for one."""
        self._reader_is_ready.set(is_ready)
        self._awards_waiting.set(waiting)

    @contextmanager
    def award_call(self) -> Iterator[None]:
        """Count an award call that fails, under the code of its answer."""
        try:
            yield
        except DomainError as error:
            self.award(error.code).inc()
            raise
        except ProblemError as error:
            self.award(error.problem.code).inc()
            raise
        except StorageUnavailableError:
            self.award("unavailable").inc()
            raise


class CountRequests:
    """ASGI middleware: counts each request under its route, never under its path."""

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and note the status and the time."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        started = time.perf_counter()
        self._metrics.requests_under_way += 1

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            self._metrics.requests_under_way -= 1
            route = getattr(scope.get("route"), "path", "none")
            # Whatever a caller makes up is `other`, or each would be a series of its own.
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.request(method, route, status).inc()
            self._metrics.seconds(route).observe(time.perf_counter() - started)
