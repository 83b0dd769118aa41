"""`/livez`, `/readyz` and `/metrics` of the worker, and what it says of its topics: `/asyncapi`, `/asyncapi.json`."""

from collections.abc import Sequence

from faststream.asgi import AsgiResponse, get
from faststream.asgi.types import ASGIApp
from prometheus_client import CONTENT_TYPE_LATEST

from award_worker.asyncapi import document_text
from award_worker.asyncapi_messages import Document
from award_worker.asyncapi_page import CONTENT_SECURITY_POLICY, asyncapi_page
from award_worker.survey import Survey
from domain.json_text import compact_json

_JSON = {"content-type": "application/json"}


def probe_routes(survey: Survey) -> Sequence[tuple[str, ASGIApp]]:
    """Make the routes. Ready is who passes every check, each within 2 s."""

    @get
    async def livez(_scope: object) -> AsgiResponse:
        return AsgiResponse(b'{"status":"alive"}', 200, _JSON)

    @get
    async def readyz(_scope: object) -> AsgiResponse:
        passed = await survey.passed()
        is_ready = all(passed.values())
        results = {name: "ok" if ok else "failing" for name, ok in passed.items()}
        body = compact_json({"status": "ready" if is_ready else "not ready", "checks": results}).encode()
        return AsgiResponse(body, 200 if is_ready else 503, _JSON)

    @get
    async def exposition(_scope: object) -> AsgiResponse:
        return AsgiResponse(await survey.exposition(), 200, {"content-type": CONTENT_TYPE_LATEST})

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
