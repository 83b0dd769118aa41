"""`/livez`, `/readyz` and `/metrics` of the worker, and what it says of its topics: `/asyncapi`, `/asyncapi.json`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from faststream.asgi import AsgiResponse, get
from faststream.asgi.types import ASGIApp

from award_worker.asyncapi import document_text
from award_worker.asyncapi_messages import Document
from award_worker.asyncapi_page import CONTENT_SECURITY_POLICY, asyncapi_page
from award_worker.metrics import WorkerMetrics
from domain.json_text import compact_json

CHECK_SECONDS = 2

Check = Callable[[], Awaitable[bool]]

_JSON = {"content-type": "application/json"}


def probe_routes(*, checks: Mapping[str, Check], metrics: WorkerMetrics) -> Sequence[tuple[str, ASGIApp]]:
    """Make the routes. Ready is who passes every check, each within 2 s."""

    @get
    async def livez(_scope: object) -> AsgiResponse:
        return AsgiResponse(b'{"status":"alive"}', 200, _JSON)

    @get
    async def readyz(_scope: object) -> AsgiResponse:
        passed = await asyncio.gather(*(_passes(check) for check in checks.values()))
        results = {name: "ok" if ok else "failing" for name, ok in zip(checks, passed, strict=True)}
        status = "ready" if all(passed) else "not ready"
        body = compact_json({"status": status, "checks": results}).encode()
        return AsgiResponse(body, 200 if all(passed) else 503, _JSON)

    @get
    async def exposition(_scope: object) -> AsgiResponse:
        return AsgiResponse(metrics.exposition(), 200, {"content-type": "text/plain; version=0.0.4; charset=utf-8"})

    return [("/livez", livez), ("/readyz", readyz), ("/metrics", exposition)]


def documentation_routes(document: Document) -> Sequence[tuple[str, ASGIApp]]:
    """Make the routes of the AsyncAPI document, as a page and as it is."""
    page, text = asyncapi_page(document).encode(), document_text(document).encode()
    page_headers = {"content-type": "text/html; charset=utf-8", "content-security-policy": CONTENT_SECURITY_POLICY}

    @get
    async def asyncapi(_scope: object) -> AsgiResponse:
        return AsgiResponse(page, 200, page_headers)

    @get
    async def asyncapi_json(_scope: object) -> AsgiResponse:
        return AsgiResponse(text, 200, _JSON)

    return [("/asyncapi", asyncapi), ("/asyncapi.json", asyncapi_json)]


async def _passes(check: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check()
    except Exception:  # noqa: BLE001 - whatever it is, the check has not passed
        return False
