"""HTTP/1.1 as the gateway speaks it: connections that go on, HEAD, chunks, `Expect`, and what HTTP/1.0 gets."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest

from raw_http import RawConnection, exchange, head, raw_connection
from shared import GAMIFY, Shared

AWARD = f"{GAMIFY}/badges/award"
BADGES = f"{GAMIFY}/admin/badges"
LIST = f"{GAMIFY}/participants/user_123/badges"
JSON = "Content-Type: application/json"
EXPECT = "Expect: 100-continue"
BODY = b'{"participant_id":"user_123","badge_code":"power_user"}'
LENGTH = f"Content-Length: {len(BODY)}"


@pytest.fixture
async def connection(shared: Shared) -> AsyncIterator[RawConnection]:
    """One connection to the gateway."""
    async with raw_connection(shared.api_url) as opened:
        yield opened


async def test_connection_carries_one_call_after_another(connection: RawConnection, key: str) -> None:
    for already_earned in (False, True, True):
        await connection.send(head("POST", AWARD, key, JSON, LENGTH), BODY)
        answer = await connection.answer()
        assert (answer.status, json.loads(answer.body)["already_earned"]) == (200, already_earned)
    for target, status in ((LIST, 200), ("/nothing", 404), (f"{BADGES}?page=0", 422), (BADGES, 200)):
        await connection.send(head("GET", target, key))
        assert (await connection.answer()).status == status


async def test_calls_sent_at_once_are_answered_in_their_order(connection: RawConnection, key: str) -> None:
    award = head("POST", AWARD, key, JSON, LENGTH) + BODY
    await connection.send(award + head("GET", "/nothing") + award + head("GET", BADGES, key, "Connection: close"))
    answers = [await connection.answer() for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 404, 200, 200]
    assert [json.loads(answers[place].body)["already_earned"] for place in (0, 2)] == [False, True]
    assert await connection.ended()


async def test_half_of_a_call_behind_a_whole_one_is_waited_for(connection: RawConnection, key: str) -> None:
    second = head("GET", BADGES, key)
    await connection.send(head("POST", AWARD, key, JSON, LENGTH) + BODY + second[:20])
    assert (await connection.answer()).status == 200
    await connection.send(second[20:])
    assert (await connection.answer()).status == 200


async def test_calls_that_are_always_sent_by_halves_are_no_long_head(connection: RawConnection, key: str) -> None:
    call = head("GET", BADGES, key, "X-Padding: " + "x" * 2000)
    await connection.send(call[:1000])
    for _ in range(100):
        await connection.send(call[1000:] + call[:1000])
        assert (await connection.answer()).status == 200


async def test_of_very_many_calls_sent_at_once_the_first_are_answered(connection: RawConnection) -> None:
    """The others would have to be kept in memory; the caller sees that the connection ends, and sends them again."""
    await connection.send(head("GET", "/nothing") * 1000)
    for _ in range(100):
        assert (await connection.answer()).status == 404
    assert len(await connection.reader.read()) < 5000


async def test_body_in_chunks_is_read_whole(connection: RawConnection, key: str) -> None:
    await connection.send(head("POST", AWARD, key, JSON, "Transfer-Encoding: chunked"))
    for byte in BODY:
        await connection.send(b"1;extension=ignored\r\n%c\r\n" % byte)
    await connection.send(b"0\r\nTrailer: ignored\r\n\r\n")
    assert (await connection.answer()).status == 200
    await connection.send(head("GET", BADGES, key))
    assert (await connection.answer()).status == 200


async def test_caller_that_expects_is_told_to_continue(connection: RawConnection, key: str) -> None:
    await connection.send(head("POST", AWARD, key, JSON, EXPECT, LENGTH))
    assert (await connection.answer()).status == 100
    await connection.send(BODY)
    assert (await connection.answer()).status == 200


async def test_caller_that_expects_is_refused_before_it_sends(
    connection: RawConnection, shared: Shared, key: str
) -> None:
    large = "Content-Length: 10485760"
    for headers, status in (((key, JSON, EXPECT, large), 413), ((JSON, EXPECT, large), 401)):
        assert (await exchange(shared.api_url, head("POST", AWARD, *headers))).status == status
    await connection.send(head("POST", AWARD, JSON, EXPECT, LENGTH))
    assert (await connection.answer()).status == 401
    await connection.send(BODY, head("GET", BADGES, key))  # it may send the body all the same
    assert (await connection.answer()).status == 200


async def test_target_may_be_absolute(connection: RawConnection, key: str) -> None:
    await connection.send(head("GET", f"http://elsewhere{BADGES}", key))
    assert (await connection.answer()).status == 200


async def test_answers_that_are_due_come_before_a_broken_call_closes_the_connection(
    connection: RawConnection, key: str
) -> None:
    award = head("POST", AWARD, key, JSON, LENGTH) + BODY
    await connection.send(award + award + b"\x16\x03\r\n\r\n")
    assert [(await connection.answer()).status for _ in range(2)] == [200, 200]
    assert await connection.ended()


async def test_request_to_upgrade_is_passed_over_and_its_body_read(connection: RawConnection, key: str) -> None:
    upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAA")
    award = head("POST", AWARD, key, JSON, LENGTH, *upgrade)
    for sent in ((award, BODY), (award + BODY,), (award[:50], award[50:] + BODY[:10], BODY[10:]), (award + BODY,) * 2):
        await connection.send(*sent)
        for _ in range(sent.count(award + BODY) or 1):
            assert (await connection.answer()).status == 200
    await connection.send(head("GET", BADGES, key, *upgrade))
    assert (await connection.answer()).status == 200


async def test_very_many_requests_to_upgrade_are_answered_like_others(connection: RawConnection, key: str) -> None:
    upgrade = head("GET", BADGES, key, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAA")
    await connection.send(upgrade * 1000)
    for _ in range(100):
        assert (await connection.answer()).status == 200


async def test_large_body_is_refused_by_its_length_unread(connection: RawConnection, key: str) -> None:
    started = time.monotonic()
    await connection.send(head("POST", AWARD, key, JSON, "Content-Length: 65537"))
    answer = await connection.answer()
    assert (answer.status, answer.problem["code"]) == (413, "payload_too_large")
    assert time.monotonic() - started < 2
    await connection.send(b" " * 65537, head("GET", BADGES, key))
    assert (await connection.answer()).status == 200


async def test_size_is_checked_before_the_type(shared: Shared, key: str) -> None:
    for size, status in ((65537, 413), (65536, 415)):
        sent = head("POST", AWARD, key, "Content-Type: text/plain", f"Content-Length: {size}"), b" " * size
        assert (await exchange(shared.api_url, *sent)).status == status


@pytest.mark.parametrize("target", [BADGES, LIST, f"{BADGES}?page=0", "/livez", "/openapi.json", "/docs", "/nothing"])
async def test_head_is_answered_as_get_without_the_body(target: str, connection: RawConnection, key: str) -> None:
    await connection.send(head("GET", target, key))
    got = await connection.answer()
    await connection.send(head("HEAD", target, key))
    answer = await connection.answer(has_body=False)
    assert answer.status == got.status
    unlike = {"date", "content-length"} if got.status == 404 else {"date"}  # the detail names the method
    assert {name: value for name, value in answer.headers.items() if name not in unlike} == {
        name: value for name, value in got.headers.items() if name not in unlike
    }
    await connection.send(head("GET", BADGES, key))
    assert (await connection.answer()).status == 200


async def test_head_of_a_list_that_is_known_is_304(connection: RawConnection, key: str) -> None:
    await connection.send(head("HEAD", LIST, key))
    tag = (await connection.answer(has_body=False)).headers["etag"]
    await connection.send(head("HEAD", LIST, key, 'If-None-Match: "another", W/"third"', f"If-None-Match: {tag}"))
    assert (await connection.answer(has_body=False)).status == 304


async def test_head_is_counted_as_head_under_its_route(connection: RawConnection, key: str) -> None:
    await connection.send(head("HEAD", f"{BADGES}?category=none", key))
    assert (await connection.answer(has_body=False)).status == 200
    await connection.send(head("GET", "/metrics"))
    route = 'badges_api_requests_total{method="HEAD",route="/admin/badges",status="200"}'
    assert route.encode() in (await connection.answer()).body


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        ("OPTIONS", AWARD, "POST"),
        ("HEAD", AWARD, "POST"),
        ("OPTIONS", LIST, "GET, HEAD"),
        ("DELETE", BADGES, "GET, HEAD, POST"),
        ("POST", f"{BADGES}/power_user", "GET, HEAD, PATCH, DELETE"),
        ("TRACE", BADGES, "GET, HEAD, POST"),
        ("POST", "/docs", "GET, HEAD"),
    ],
)
async def test_other_methods_are_405_with_those_that_are_allowed(
    method: str, target: str, allowed: str, connection: RawConnection
) -> None:
    cors = ("Origin: https://elsewhere.example", "Access-Control-Request-Method: POST")
    await connection.send(head(method, target, *cors))
    answer = await connection.answer(has_body=method != "HEAD")
    assert (answer.status, answer.headers["allow"]) == (405, allowed)
    assert not [name for name in answer.headers if name.startswith("access-control")]
    if method != "HEAD":
        assert answer.problem["code"] == "method_not_allowed"


@pytest.mark.parametrize("lines", [(), ("Connection: keep-alive",), ("Host: gateway",)])
async def test_http_1_0_is_answered_and_closed(lines: tuple[str, ...], connection: RawConnection, key: str) -> None:
    request = "\r\n".join([f"POST {AWARD} HTTP/1.0", key, JSON, LENGTH, *lines, "", ""]).encode()
    await connection.send(request, BODY)
    answer = await connection.answer()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert await connection.ended()


@pytest.mark.parametrize(
    ("prefer", "status"),
    [
        (("Prefer: wait=5", "Prefer: respond-async"), 202),
        (("Prefer: wait=5, respond-async",), 202),
        (("prefer: RESPOND-ASYNC; x=1, wait=5",), 202),
        (('Prefer: x="a, respond-async"',), 200),
        (("Prefer: wait=5", "Prefer: return=minimal"), 200),
    ],
)
async def test_prefer_is_read_in_every_line(
    prefer: tuple[str, ...], status: int, connection: RawConnection, key: str
) -> None:
    await connection.send(head("POST", AWARD, key, JSON, LENGTH, *prefer), BODY)
    answer = await connection.answer()
    assert answer.status == status
    assert answer.headers.get("preference-applied") == ("respond-async" if status == 202 else None)


async def test_connections_that_do_nothing_do_not_keep_the_gateway_from_ending(shared: Shared) -> None:
    gateway = await shared.place.gateway().ready()
    async with raw_connection(gateway.url) as idle:
        await idle.send(head("GET", "/livez"))
        assert (await idle.answer()).status == 200
        started = time.monotonic()
        await asyncio.to_thread(gateway.stop)
        assert time.monotonic() - started < 5
        assert await idle.ended()
