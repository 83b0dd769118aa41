import logging
import traceback

import httpx
import pytest

from badges_client import AsyncBadgesClient, BadgesClient, BadgesError, Retries
from both_clients import Clients, both
from stand_in_gateway import AWARD, KEY, StandInGateway, problem


@pytest.mark.parametrize(
    "url", ["http://gateway", "http://gateway/", "http://gateway/api/v1/gamify", "http://gateway/x"]
)
def test_url_is_taken_with_and_without_the_prefix(url: str) -> None:
    with BadgesClient(url, KEY) as client:
        path = "/x/api/v1/gamify" if url.endswith("x") else "/api/v1/gamify"
        assert repr(client) == f"BadgesClient('http://gateway{path}/')"


@pytest.mark.parametrize(
    "url",
    ["", "gateway", "ftp://gateway", "http://", "http://me:pass@gateway", "http://g?a=b", "http://g#f", "http://g:x"],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="gateway"):
        BadgesClient(url, KEY)


@pytest.mark.parametrize("key", ["", f"{KEY}\n", f" {KEY}", f"{KEY}é", f"{KEY}\ud800"])
def test_key_that_cannot_be_sent_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ValueError, match="the key is empty, or holds characters that cannot be sent") as refused:
        AsyncBadgesClient("http://gateway", key)
    assert KEY not in str(refused.value)


@both
async def test_key_is_in_no_log_and_no_error(kind: Clients, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    gateway = StandInGateway(problem(503, "unavailable"), httpx.ConnectError("refused"), problem(401, "unauthorized"))
    with pytest.raises(BadgesError) as failed:
        await gateway.call(kind, "award", "user_123", "power_user")
    assert len(gateway.requests) == 3
    told = [repr(failed.value), str(vars(failed.value)), *traceback.format_exception(failed.value)]
    assert KEY not in "".join([*told, caplog.text, repr(BadgesClient("http://gateway", KEY))])


def test_closed_client_sends_nothing() -> None:
    gateway = StandInGateway(httpx.Response(200, json=dict(AWARD)))
    with BadgesClient("http://gateway", KEY, transport=gateway.network) as client:
        client.award("u", "b")
    with pytest.raises(RuntimeError, match="closed"):
        client.award("u", "b")
    assert len(gateway.requests) == 1


async def test_closed_async_client_sends_nothing() -> None:
    gateway = StandInGateway(httpx.Response(200, json=dict(AWARD)))
    async with AsyncBadgesClient("http://gateway", KEY, transport=gateway.network) as client:
        await client.award("u", "b")
    with pytest.raises(RuntimeError, match="closed"):
        await client.award("u", "b")
    assert len(gateway.requests) == 1


def test_nothing_listening_is_told_after_the_last_try() -> None:
    slept: list[float] = []
    twice = Retries(attempts=2)
    with (
        BadgesClient("http://127.0.0.1:1", KEY, retries=twice, sleep=slept.append) as client,
        pytest.raises(BadgesError, match="refused"),
    ):
        client.award("u", "b")
    assert len(slept) == 1
