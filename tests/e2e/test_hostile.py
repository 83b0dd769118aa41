"""Callers who mean no good: the right error, never a 5xx of ours, and no memory or connection held for them."""

import asyncio
import json
from contextlib import suppress

import asyncpg
import httpx
import pytest

from processes import Service
from raw_http import exchange, head, raw_connection
from shared import GAMIFY, Tenant
from strict_gateway import AWARD, BADGES, CHUNKED, JSON, MIB, chunk

VALID = b'{"participant_id":"u","badge_code":"power_user"}'


NOT_HTTP = {
    "nonsense": (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "a bare line break in a header": (
        head("GET", "/", "X: a\nX-API-Key: b").replace(b"\r\n\r\n", b"\r\n\0\r\n\r\n"),
        400,
    ),
    "NUL in a header": (head("GET", "/", "X: a\0b"), 400),
    "raw bytes in the path": (head("GET", "/\xff"), 400),
    "a negative length": (head("POST", AWARD, "Content-Length: -1"), 400),
    "two lengths": (head("POST", AWARD, "Content-Length: 1", "Content-Length: 2"), 400),
    "an unknown coding": (head("POST", AWARD, "Transfer-Encoding: gzip, chunked"), 400),
    "giant header": (head("GET", "/", "X: " + "x" * 100_000), 431),
    "giant key": (head("GET", BADGES, "X-API-Key: " + "x" * 100_000), 431),
    "giant path": (head("GET", "/" + "x" * 100_000), 431),
    "a tunnel to a path": (head("CONNECT", "/"), 400),
    "a tunnel to a URL": (head("CONNECT", "http://a/"), 400),
    "20,000 headers": (head("GET", "/", *(f"X-{number}: x" for number in range(20_000))), 431),
}


@pytest.mark.parametrize(("sent", "status"), NOT_HTTP.values(), ids=NOT_HTTP.keys())
async def test_what_is_no_http_is_a_problem_too(sent: bytes, status: int, gateway: Service) -> None:
    async with raw_connection(gateway.url) as connection:
        await connection.send(sent)
        answer = await connection.answer()
        assert answer.status == status
        code = {400: "bad_request", 431: "request_header_fields_too_large"}[status]
        assert answer.problem["code"] == code
        assert await connection.ended()


async def test_chunked_body_that_is_broken_in_the_middle_is_400(gateway: Service, key: str) -> None:
    async with raw_connection(gateway.url) as connection:
        await connection.send(head("POST", AWARD, key, JSON, CHUNKED), chunk(b"{"))
        await asyncio.sleep(0.2)
        await connection.send(b"zz\r\n")
        answer = await connection.answer()
        assert (answer.status, answer.problem["code"]) == (400, "bad_request")
        assert await connection.ended()


@pytest.mark.parametrize("endless", [b"a: b\r\n", b"a" * 100], ids=["trailers", "trailer"])
@pytest.mark.parametrize("is_known", [True, False])
async def test_trailers_without_end_are_not_kept(*, endless: bytes, is_known: bool, gateway: Service, key: str) -> None:
    """Whether the body is awaited, or was refused before it came."""
    async with raw_connection(gateway.url) as connection:
        await connection.send(
            head("POST", AWARD, key if is_known else "X-API-Key: none", JSON, CHUNKED) + b"0\r\na: b\r\n"
        )
        sent = 0
        with suppress(ConnectionError):
            while sent < 8 * MIB:
                await connection.send(endless * 500)
                sent += len(endless) * 500
        assert sent < 8 * MIB


async def test_caller_that_hangs_up_is_no_failure_of_ours(
    gateway: Service, key: str, caller: httpx.AsyncClient
) -> None:
    for framing in ("Content-Length: 100", CHUNKED):
        async with raw_connection(gateway.url) as connection:
            await connection.send(head("POST", AWARD, key, JSON, framing), b"1\r\n{\r\n")
            await asyncio.sleep(0.1)
    assert (await caller.get(BADGES)).status_code == 200


ODD = {
    "host": (head("GET", "/nothing").replace(b"gateway", b"[::1"), 404),
    "absolute target": (head("GET", "http://elsewhere/nothing"), 404),
    "asterisk": (head("OPTIONS", "*"), 404),
    "authority": (head("CONNECT", "gateway:80"), 400),
    "method": (head("PROPFIND", AWARD), 405),
    "method that nobody knows": (head("BREW", AWARD), 400),
    "bad percent-encoding": (head("GET", "/%zz%"), 404),
    "websocket": (head("GET", BADGES, "Connection: upgrade", "Upgrade: websocket"), 401),
    "key of raw bytes": (head("GET", BADGES, "X-API-Key: bq_live_\xff"), 401),
    "two keys": (head("GET", BADGES, "X-API-Key: a", "X-API-Key: b"), 401),
}


@pytest.mark.parametrize(("sent", "status"), ODD.values(), ids=ODD.keys())
async def test_odd_requests_are_answered_in_the_documented_shape(sent: bytes, status: int, gateway: Service) -> None:
    answer = await exchange(gateway.url, sent)
    assert answer.status == status
    assert answer.problem["code"]


@pytest.mark.parametrize(
    "query",
    ["page=%zz", "page=" + "9" * 5000, "is_active=%FF", "category=%00", "category=%ED%A0%80%00", "page_size=1e1"],
)
async def test_odd_queries_are_422(query: str, gateway: Service, key: str) -> None:
    answer = await exchange(gateway.url, head("GET", f"{BADGES}?{query}", key))
    assert (answer.status, answer.problem["code"]) == (422, "validation_error")


BODIES = {
    "10,000 deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "10,000 deep lists": b'{"participant_id":"u","badge_code":"power_user","metadata":{"a":'
    + b"[" * 10_000
    + b"]" * 10_000
    + b"}}",
    "60,000 open lists": b"[" * 60_000,
    "invalid UTF-8": b'{"participant_id":"\xc3\x28","badge_code":"power_user"}',
    "UTF-16": VALID.decode().encode("utf-16"),
    "NaN": b'{"participant_id":"u","badge_code":"power_user","metadata":{"n":NaN}}',
    "lone surrogate": rb'{"participant_id":"\ud800","badge_code":"power_user"}',
    "lone surrogate in a metadata key": rb'{"participant_id":"u","badge_code":"power_user","metadata":{"\udfff":1}}',
    "NUL": rb'{"participant_id":"\u0000","badge_code":"power_user"}',
    "NUL in the badge code": rb'{"participant_id":"u","badge_code":"power_user\u0000"}',
    "NUL in metadata": rb'{"participant_id":"u","badge_code":"power_user","metadata":{"a":"\u0000"}}',
    "two documents": VALID + VALID,
}


@pytest.mark.parametrize("path", [AWARD, BADGES])
@pytest.mark.parametrize("content", BODIES.values(), ids=BODIES.keys())
async def test_poisonous_json_is_422(
    content: bytes, path: str, caller: httpx.AsyncClient, tenant: Tenant, look: asyncpg.Connection
) -> None:
    answer = await caller.post(path, content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")
    assert await look.fetchval("SELECT count(*) FROM awards WHERE tenant_id = $1", tenant.id) == 0


async def test_of_a_duplicate_key_the_last_wins(caller: httpx.AsyncClient) -> None:
    content = b'{"participant_id":"first","participant_id":"last","badge_code":"no_such","badge_code":"power_user"}'
    answer = await caller.post(AWARD, content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["participant_id"]) == (200, "last")
    unfit = content[:-1] + b',"badge_code":5}'
    assert (await caller.post(AWARD, content=unfit, headers={"Content-Type": "application/json"})).status_code == 422


INJECTED = "x\r\nX-Injected: yes\r\n\r\n<script>"


async def test_line_breaks_in_ids_never_reach_the_headers(gateway: Service, key: str, tenant: Tenant) -> None:
    code = "c\r\nX-Injected: yes"
    await tenant.define(code)
    content = json.dumps({"participant_id": INJECTED, "badge_code": code}).encode()
    length = f"Content-Length: {len(content)}"
    for prefer, status in (("Prefer: respond-async", 202), ("Prefer: x", 200)):
        answer = await exchange(gateway.url, head("POST", AWARD, key, JSON, length, prefer), content)
        assert answer.status == status
        assert "x-injected" not in answer.headers
        assert json.loads(answer.body)["participant_id"] == INJECTED
        if status == 202:
            assert answer.headers["location"].isascii()
            assert "%0D%0AX-Injected" in answer.headers["location"]
    target = f"{GAMIFY}/participants/x%0d%0aX-Injected:%20yes/badges?badge_codes=%0d%0aX-Injected:yes"
    assert "x-injected" not in (await exchange(gateway.url, head("GET", target, key))).headers
    unknown = await exchange(gateway.url, head("GET", "/%0d%0aX-Injected:%20yes"))
    assert (unknown.status, "x-injected" in unknown.headers) == (404, False)


async def test_made_up_methods_and_paths_leave_no_trace_in_the_metrics(
    gateway: Service, caller: httpx.AsyncClient
) -> None:
    for number in range(20):
        await exchange(gateway.url, head(f"BREW{number}", f"/pot/{number}"))
    metrics = (await caller.get("/metrics")).text
    assert "BREW" not in metrics
    assert "/pot" not in metrics
