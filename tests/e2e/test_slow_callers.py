"""Callers who send too much, too slowly, or too many at once: refused in bounded memory, and in nobody's way."""

import asyncio
import time

import httpx
import psutil
import pytest

from processes import Service
from raw_http import RawConnection, exchange, head, raw_connection
from shared import Tenant
from strict_gateway import AWARD, BADGES, CHUNKED, CONNECTIONS, JSON, MIB, REQUESTS, SECONDS, chunk

VALID = b'{"participant_id":"u","badge_code":"power_user"}'


def resident(gateway: Service) -> float:
    """The memory of the gateway's process, in MiB."""
    assert gateway.process is not None
    return psutil.Process(gateway.process.pid).memory_info().rss / MIB


async def test_bodies_of_10_mib_are_refused_in_bounded_memory(
    gateway: Service, key: str, caller: httpx.AsyncClient
) -> None:
    big = b" " * MIB
    with_length = (head("POST", AWARD, key, JSON, f"Content-Length: {10 * MIB}"), *[big] * 10)
    in_chunks = (head("POST", AWARD, key, JSON, CHUNKED), *[chunk(big)] * 10, b"0\r\n\r\n")
    for request in (with_length, in_chunks):  # what is needed once is not counted
        await exchange(gateway.url, *request)
    before = resident(gateway)
    for _ in range(3):
        sent = [exchange(gateway.url, *request) for request in (with_length, in_chunks) for _ in range(3)]
        for answer in await asyncio.gather(*sent):
            assert (answer.status, answer.problem["code"]) == (413, "payload_too_large")
    assert resident(gateway) - before < 20
    assert (await caller.post(AWARD, content=VALID, headers={"Content-Type": "application/json"})).status_code == 200


@pytest.mark.parametrize("framing", ["Content-Length: 10485760", CHUNKED])
async def test_connection_goes_on_after_a_large_body_is_passed_over(framing: str, gateway: Service, key: str) -> None:
    async with raw_connection(gateway.url) as connection:
        await connection.send(head("POST", AWARD, key, JSON, framing))
        body = [b" " * MIB] * 10
        await connection.send(*(map(chunk, body) if framing == CHUNKED else body))
        assert (await connection.answer()).status == 413
        if framing == CHUNKED:
            await connection.send(b"0\r\n\r\n")
        await connection.send(head("GET", BADGES, key))
        assert (await connection.answer()).status == 200


async def test_body_without_end_is_not_drained_for_ever(gateway: Service, key: str) -> None:
    async with raw_connection(gateway.url) as connection:
        await connection.send(head("POST", AWARD, key, JSON, CHUNKED))
        taken = await flood(connection)
    assert taken < 64


async def flood(connection: RawConnection) -> int:
    """Send chunks until the other side closes; return how many MiB it took."""
    for count in range(1000):
        try:
            async with asyncio.timeout(5):
                await connection.send(chunk(b" " * MIB))
        except ConnectionError:
            return count
    return 1000


async def test_answered_body_that_trickles_in_is_given_up(gateway: Service) -> None:
    """No key: the answer is 401 at once, the body still to come."""
    async with raw_connection(gateway.url) as connection:
        await connection.send(head("POST", AWARD, JSON, CHUNKED))
        assert (await connection.answer()).status == 401
        assert await trickle(connection) < 3 * SECONDS


async def trickle(connection: RawConnection) -> float:
    """Send a byte now and then until the other side closes; return how long that took."""
    started = time.monotonic()
    ended = asyncio.ensure_future(connection.ended())
    while not ended.done():
        await connection.send(chunk(b" "))
        await asyncio.sleep(0.1)
        assert time.monotonic() - started < 10
    assert await ended
    return time.monotonic() - started


@pytest.mark.parametrize("framing", ["Content-Length: 100", CHUNKED])
async def test_slow_body_is_408(framing: str, gateway: Service, key: str) -> None:
    async with raw_connection(gateway.url) as connection:
        await connection.send(head("POST", AWARD, key, JSON, framing))
        started = time.monotonic()
        answer = asyncio.ensure_future(connection.answer())
        while not answer.done():
            await connection.send(chunk(b" ") if framing == CHUNKED else b" ")
            await asyncio.sleep(0.1)
        assert SECONDS * 0.9 < time.monotonic() - started < 3 * SECONDS
        assert ((await answer).status, (await answer).problem["code"]) == (408, "request_timeout")
        assert (await answer).headers["connection"] == "close"
        assert await connection.ended()


@pytest.mark.parametrize("sent", [b"G", b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST " + AWARD.encode()])
async def test_slow_head_is_408(sent: bytes, gateway: Service) -> None:
    async with raw_connection(gateway.url) as connection:
        await connection.send(sent)
        started = time.monotonic()
        answer = await connection.answer()
        assert SECONDS * 0.8 < time.monotonic() - started < 3 * SECONDS
        assert (answer.status, answer.problem["code"]) == (408, "request_timeout")
        assert await connection.ended()


async def test_head_that_trickles_in_is_408_on_a_used_connection_too(gateway: Service, key: str) -> None:
    async with raw_connection(gateway.url) as connection:
        await connection.send(head("GET", BADGES, key))
        assert (await connection.answer()).status == 200
        answer = asyncio.ensure_future(connection.answer())
        for byte in head("GET", BADGES, key, "X-Padding: " + "x" * 1000):
            if answer.done():
                break
            await connection.send(bytes([byte]))
            await asyncio.sleep(0.05)
        assert (await answer).status == 408


async def test_connection_without_a_byte_is_closed(gateway: Service) -> None:
    async with raw_connection(gateway.url) as connection:
        assert await connection.ended()


async def test_answers_that_nobody_reads_are_not_kept(gateway: Service, key: str, tenant: Tenant) -> None:
    for number in range(100):
        await tenant.define(f"long_{number}", description="x" * 60_000)
    async with raw_connection(gateway.url) as connection:
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a read transport too
        started = time.monotonic()
        for _ in range(4):
            await connection.send(head("GET", f"{BADGES}?page_size=100", key))
        assert gateway.process is not None
        process = psutil.Process(gateway.process.pid)
        ours = connection.writer.get_extra_info("sockname")
        while any(tuple(each.raddr) == ours for each in process.net_connections("tcp")):
            assert time.monotonic() - started < 10
            await asyncio.sleep(0.1)


async def test_slow_callers_do_not_keep_others_waiting(gateway: Service, key: str, caller: httpx.AsyncClient) -> None:
    slow = [head("POST", AWARD, key, JSON, "Content-Length: 100")] * (REQUESTS - 1) + [b"GET / HTTP/1.1\r\n"] * 20
    async with asyncio.TaskGroup() as group:
        answers = [group.create_task(exchange(gateway.url, each)) for each in slow]
        await asyncio.sleep(0.3)
        started = time.monotonic()
        assert (await caller.get(BADGES)).status_code == 200
        assert time.monotonic() - started < SECONDS / 2
    assert {answer.result().status for answer in answers} == {408}


async def test_more_requests_at_once_than_may_be_are_503_and_the_gateway_stays_alive(
    gateway: Service, key: str, caller: httpx.AsyncClient
) -> None:
    slow = head("POST", AWARD, key, JSON, "Content-Length: 100")
    async with asyncio.TaskGroup() as group:
        for _ in range(REQUESTS):
            group.create_task(exchange(gateway.url, slow))
        await asyncio.sleep(0.3)
        refused = await caller.get(BADGES)
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert int(refused.headers["Retry-After"]) >= 1
        assert (await caller.get("/livez")).status_code == 200
    assert (await caller.get(BADGES)).status_code == 200


async def test_more_connections_than_may_be_are_refused_and_the_first_ones_stay(gateway: Service, key: str) -> None:
    async with raw_connection(gateway.url) as first:
        others = [raw_connection(gateway.url) for _ in range(CONNECTIONS)]
        opened = [await other.__aenter__() for other in others]
        refused = await opened[-1].answer()
        assert (refused.status, refused.problem["code"]) == (503, "unavailable")
        assert await opened[-1].ended()
        await first.send(head("GET", BADGES, key))
        assert (await first.answer()).status == 200
        for other in others:
            await other.__aexit__(None, None, None)
