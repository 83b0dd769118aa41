"""The cap on award calls, counted in Redis for every gateway that names it."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from devstack.seed import DemoTenant
from processes import Installation
from redis_process import RedisProcess, redis_process

CALL = {"participant_id": "user_123", "badge_code": "power_user"}


async def call(url: str, key: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=10, headers={"X-API-Key": key}) as client:
        return await client.post(f"{url}/api/v1/gamify/badges/award", json=CALL)


@pytest.fixture
def redis() -> Iterator[RedisProcess]:
    with redis_process() as server:
        yield server


async def test_gateways_that_share_a_redis_share_the_cap(
    worker: Installation, demo: DemoTenant, redis: RedisProcess
) -> None:
    settings = {"awards_per_minute": "4", "rate_limit_store": redis.url}
    gateways = [await worker.gateway(**settings).ready(), await worker.gateway(**settings).ready()]
    answers = [await call(gateways[number % 2].url, demo.live_key) for number in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["3", "2", "1", "0", "0"]
    assert 1 <= int(answers[4].headers["Retry-After"]) <= 60
    # The other environment's participant of the same name has a cap of its own.
    assert (await call(gateways[0].url, demo.test_key)).status_code == 200


@pytest.mark.parametrize(("setting", "status"), [("allow", 200), ("refuse", 503)])
async def test_redis_that_is_gone_lets_calls_through_or_refuses_them_as_set(
    setting: str, status: int, worker: Installation, demo: DemoTenant, redis: RedisProcess
) -> None:
    gateway = await worker.gateway(rate_limit_store=redis.url, rate_limit_when_unknown=setting).ready()
    assert (await call(gateway.url, demo.live_key)).status_code == 200
    await asyncio.to_thread(redis.kill)
    answer = await call(gateway.url, demo.live_key)
    assert answer.status_code == status
    if status == 503:
        assert answer.json()["code"] == "unavailable"
        assert int(answer.headers["Retry-After"]) >= 1
    async with httpx.AsyncClient() as client:
        metrics = (await client.get(f"{gateway.url}/metrics")).text
    assert "badges_api_rate_limit_failures_total 1.0" in metrics
    assert "rate_limit.unknown" in gateway.tail()
    await asyncio.to_thread(redis.start)
    assert (await call(gateway.url, demo.live_key)).status_code == 200
