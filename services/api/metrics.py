"""The gateway's numbers, in Prometheus form, and the middleware that counts requests."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.methods import METHODS

_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class ApiMetrics:
    """Counters of one gateway process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "badges_api_requests",
            "HTTP requests answered",
            ["method", "route", "status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "badges_api_request_seconds",
            "From a request's arrival to the end of its answer",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.rate_limit_failures = Counter(
            "badges_api_rate_limit_failures",
            "Award calls whose count is not known because Redis could not be reached",
            registry=registry,
        )
        self.reader_is_ready = Gauge(
            "badges_api_outcome_reader_is_ready",
            "1 while the outcomes of award calls are seen",
            registry=registry,
        )

    def exposition(self) -> bytes:
        """The numbers as Prometheus reads them."""
        return generate_latest(self.registry)


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

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            # Whatever a caller makes up is `other`, or each would be a series of its own.
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.requests.labels(method, route, status).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - started)
