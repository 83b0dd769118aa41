"""Bodies of award calls: what is read, what is refused, and when."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlsplit

import httpx
import pytest

from award_api import AWARD, EXAMPLE, KIB, assert_problem, body, post
from shared import Shared, Tenant

MALFORMED = {
    "empty": b"",
    "blank": b" ",
    "cut": b'{"participant_id":',
    "trailing comma": b'{"participant_id":"u","badge_code":"power_user",}',
    "NaN": b'{"participant_id":"u","badge_code":"power_user","metadata":{"n":NaN}}',
    "Infinity": b'{"participant_id":"u","badge_code":"power_user","metadata":{"n":-Infinity}}',
    "1e400": b'{"participant_id":"u","badge_code":"power_user","metadata":{"n":1e400}}',
    "5,000 digits": b'{"participant_id":"u","badge_code":"power_user","metadata":{"n":' + b"9" * 5000 + b"}}",
    "raw NUL": b'{"participant_id":"u\0","badge_code":"power_user"}',
    "not UTF-8": b'{"participant_id":"u\xff","badge_code":"power_user"}',
    "raw surrogate": b'{"participant_id":"\xed\xa0\x80","badge_code":"power_user"}',
    "BOM": b'\xef\xbb\xbf{"participant_id":"u","badge_code":"power_user"}',
    "deep": b'{"participant_id":"u","badge_code":"power_user","metadata":' + b'{"a":' * 9000 + b"1" + b"}" * 9001,
    "open and deep": b"[" * 60_000,
    "gzip": b"\x1f\x8b\x08\x00",
}


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED.keys())
async def test_what_is_no_json_is_422(raw: bytes, client: httpx.AsyncClient) -> None:
    assert_problem(await post(client, raw), 422, "validation_error")


def _levels(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = {"a": value}
    return value


UNFIT: Mapping[str, object] = {
    "a list": [],
    "null": None,
    "text": "text",
    "a number": 5,
    "nothing": {},
    "no participant": body(participant_id=...),
    "no code": body(badge_code=...),
    "participant null": body(participant_id=None),
    "participant a number": body(participant_id=5),
    "participant true": body(participant_id=True),
    "participant a list": body(participant_id=["u"]),
    "participant empty": body(participant_id=""),
    "participant of 256": body(participant_id="x" * 256),
    "participant of 256 astral characters": body(participant_id="🏅" * 256),
    "participant with NUL": body(participant_id="a\0b"),
    "participant with a surrogate": body(participant_id="a\ud800"),
    "code a number": body(badge_code=5),
    "code empty": body(badge_code=""),
    "code of 51": body(badge_code="x" * 51),
    "code with NUL": body(badge_code="\0"),
    "code with a surrogate": body(badge_code="\udfff"),
    "metadata a list": body(metadata=[]),
    "metadata text": body(metadata="{}"),
    "metadata a number": body(metadata=0),
    "metadata with NUL in a key": body(metadata={"\0": 1}),
    "metadata with NUL": body(metadata={"a": [{"b": "\0"}]}),
    "metadata with a surrogate": body(metadata={"a": "\ud800"}),
    "metadata with a surrogate in a key": body(metadata={"\ud800": 1}),
    "metadata 33 levels deep": body(metadata=_levels(33)),
    "metadata of 16 KiB and a byte": body(metadata={"a": "x" * (16 * KIB - 7)}),
}


@pytest.mark.parametrize("content", UNFIT.values(), ids=UNFIT.keys())
async def test_what_does_not_fit_its_documentation_is_422(content: object, client: httpx.AsyncClient) -> None:
    problem = assert_problem(await post(client, json.dumps(content)), 422, "validation_error")
    assert problem["errors"][0]["loc"][0] == "body"
    assert "AwardBody" not in str(problem), "names of ours mean nothing to callers"


async def test_each_bad_field_is_named(client: httpx.AsyncClient) -> None:
    answer = await post(client, json.dumps(body(participant_id="", badge_code=5, metadata=[])))
    problem = assert_problem(answer, 422, "validation_error")
    assert [error["loc"] for error in problem["errors"]] == [
        ["body", "participant_id"],
        ["body", "badge_code"],
        ["body", "metadata"],
    ]
    assert "(and 2 more)" in problem["detail"]


FIT: Mapping[str, object] = {
    "no metadata": body(metadata=...),
    "metadata null": body(metadata=None),
    "metadata empty": body(metadata={}),
    "metadata 32 levels deep": body(metadata=_levels(32)),
    "metadata of 16 KiB": body(metadata={"a": "x" * (16 * KIB - 8)}),
    "big numbers": body(metadata={"a": 2**64 + 1, "b": 1e308, "c": -0.5}),
    "unknown fields": body(earned_at="2001-01-01T00:00:00Z", surprise={"\0": "\ud800"}),
    "longest participant": body(participant_id="🏅" * 255),
    "control characters": body(participant_id="\x01\n\r\t\x7f\u2028"),
    "blanks": body(participant_id="  "),
}


@pytest.mark.parametrize("content", FIT.values(), ids=FIT.keys())
async def test_what_fits_is_awarded(content: Mapping[str, object], client: httpx.AsyncClient) -> None:
    answer = await post(client, json.dumps(content))
    assert answer.status_code == 200, answer.text
    assert answer.json()["participant_id"] == content["participant_id"]
    assert not answer.json()["earned_at"].startswith("2001")


async def test_ids_that_look_alike_are_not_the_same(client: httpx.AsyncClient) -> None:
    for participant_id in ("user", "User", " user", "user ", "é", "e\u0301", "\u212b", "\u00c5"):
        answer = await client.post(AWARD, json=body(participant_id=participant_id))
        assert answer.json()["already_earned"] is False, participant_id


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])
async def test_other_content_type_is_415(content_type: str, client: httpx.AsyncClient) -> None:
    answer = await client.post(AWARD, content=json.dumps(EXAMPLE), headers={"Content-Type": content_type})
    assert_problem(answer, 415, "unsupported_media_type")


async def test_missing_content_type_is_415(client: httpx.AsyncClient) -> None:
    assert_problem(await client.post(AWARD, content=json.dumps(EXAMPLE)), 415, "unsupported_media_type")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
async def test_content_type_may_carry_parameters(content_type: str, client: httpx.AsyncClient) -> None:
    answer = await client.post(AWARD, content=json.dumps(EXAMPLE), headers={"Content-Type": content_type})
    assert answer.status_code == 200


async def test_body_of_64_kib_is_read_and_not_a_byte_more(client: httpx.AsyncClient) -> None:
    largest = json.dumps(EXAMPLE).ljust(64 * KIB)
    assert (await post(client, largest)).status_code == 200
    assert_problem(await post(client, largest + " "), 413, "payload_too_large")


@pytest.mark.parametrize("size", [65 * KIB, 5 * KIB * KIB])
async def test_too_large_body_without_content_length_is_413(size: int, client: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(0, size, KIB):
            yield b" " * KIB

    answer = await client.post(AWARD, content=chunks(), headers={"Content-Type": "application/json"})
    assert "Content-Length" not in answer.request.headers
    assert_problem(answer, 413, "payload_too_large")


async def test_body_is_given_up_before_its_end(shared: Shared, tenant: Tenant) -> None:
    """The answer comes although the caller has not finished, and never will."""
    url = urlsplit(shared.api_url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    head = (
        f"POST /api/v1/gamify{AWARD} HTTP/1.1\r\nHost: {url.netloc}\r\nX-API-Key: {tenant.key}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    writer.write(head.encode() + b"1000\r\n" + b" " * 0x1000 + b"\r\n")
    writer.write((b"1000\r\n" + b" " * 0x1000 + b"\r\n") * 16)
    async with asyncio.timeout(10):
        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()
    await writer.wait_closed()
