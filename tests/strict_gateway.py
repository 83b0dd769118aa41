"""A gateway whose limits are soon reached, and callers who try them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from processes import Service
from shared import GAMIFY, Shared

AWARD = f"{GAMIFY}/badges/award"
BADGES = f"{GAMIFY}/admin/badges"
JSON = "Content-Type: application/json"
CHUNKED = "Transfer-Encoding: chunked"
MIB = 1024 * 1024
SECONDS = 1.0
REQUESTS, CONNECTIONS = 8, 40


@contextmanager
def strict_gateway(shared: Shared) -> Iterator[Service]:
    """Lend it; it is still there afterwards, and has never failed."""
    service = shared.place.gateway(
        receive_seconds=str(SECONDS), requests_at_once=str(REQUESTS), connections=str(CONNECTIONS)
    )
    asyncio.run(service.ready())
    yield service
    assert service.process is not None
    assert service.process.poll() is None, service.tail()
    log = service.log.read_text(errors="replace")
    assert "request.failed" not in log
    assert "Traceback" not in log
    assert 'status="500"' not in httpx.get(f"{service.url}/metrics").text
    service.stop()


def chunk(content: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(content), content)
