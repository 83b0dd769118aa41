"""What the worker serves for readers: the AsyncAPI document, as it is and as a page."""

import json

import httpx

from award_worker.asyncapi import asyncapi_document
from messaging.topics import topics_of
from shared import Shared


async def test_worker_describes_its_topics_under_the_names_that_they_have(shared: Shared) -> None:
    async with httpx.AsyncClient(base_url=shared.worker_url) as client:
        served = await client.get("/asyncapi.json")
        page = await client.get("/asyncapi")
    assert (served.status_code, page.status_code) == (200, 200)
    assert served.headers["content-type"] == "application/json"
    assert served.json() == json.loads(json.dumps(asyncapi_document(topics_of(shared.place.kafka))))
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for topic in ("award_requests", "badge_awarded", "award_requests_dlq"):
        assert f"<code>{shared.place.kafka.prefix}{topic}</code>" in page.text
