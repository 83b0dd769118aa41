"""Whichever process is restarted under load, in order or by force: a client that tries again is told of every award."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count

import asyncpg
import pytest

from badges_client import AsyncBadgesClient
from chaos.suite.http_load import BalancedTransport
from devstack.seed import DemoTenant
from messaging.topics import topics_of
from observers import read_topic
from processes import Installation, Service
from servers import KafkaProcess, PostgresProcess

CALLERS = 8
PAUSE_SECONDS = 0.05
BETWEEN_SECONDS = 1.5


def restart(service: Service) -> None:
    """End it in order, and start it again at once."""
    service.send(signal.SIGTERM)
    assert service.wait() == 0
    service.start()


def crash(service: Service) -> None:
    """End it by force, and start it again at once."""
    service.kill()
    service.start()


class Callers:
    """Award badges without end, each call once; a call that fails in spite of its retries fails the test."""

    def __init__(self, client: AsyncBadgesClient) -> None:
        self._client = client
        self._numbers = count()
        self.told = 0

    @asynccontextmanager
    async def calling(self) -> AsyncIterator[None]:
        """Call meanwhile, and in the end wait for the calls under way."""
        ended = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(self._call(ended))
            try:
                yield
            finally:
                ended.set()

    async def _call(self, ended: asyncio.Event) -> None:
        while not ended.is_set():
            await self._client.award(f"user_{next(self._numbers)}", "power_user")
            self.told += 1
            await asyncio.sleep(PAUSE_SECONDS)


@asynccontextmanager
async def callers(badges: Installation, demo: DemoTenant) -> AsyncIterator[Callers]:
    """Callers before two gateways, with two workers behind them."""
    gateways = [badges.gateway(), badges.gateway()]
    badges.worker()
    badges.worker()
    await asyncio.gather(*(service.ready() for service in badges.services))
    transport = BalancedTransport([gateway.url for gateway in gateways], lambda _request, _response: None)
    client = AsyncBadgesClient(gateways[0].url, demo.live_key, transport=transport)
    try:
        yield Callers(client)
    finally:
        await client.aclose()


async def assert_told_is_true(told: int, badges: Installation) -> None:
    """Every call made one award, of which one event tells."""
    events = await read_topic(badges.kafka, topics_of(badges.kafka).badge_awarded, at_least=told, seconds=60, settle=1)
    bare = await asyncpg.connect(badges.database_url)
    awards = await bare.fetchval("SELECT count(*) FROM awards")
    await bare.close()
    assert (awards, len({event.key for event in events}), len(events)) == (told, told, told)


@pytest.mark.parametrize("end", [restart, crash])
async def test_restart_of_any_one_service_fails_no_call(
    end: Callable[[Service], None], badges: Installation, demo: DemoTenant
) -> None:
    async with callers(badges, demo) as calls:
        async with calls.calling():
            for service in badges.services:
                await asyncio.sleep(BETWEEN_SECONDS)
                await asyncio.to_thread(end, service)
                await service.ready()
            await asyncio.sleep(BETWEEN_SECONDS)
        await assert_told_is_true(calls.told, badges)


@pytest.mark.timeout(240)
async def test_restart_of_a_server_fails_no_call(
    own_servers: tuple[PostgresProcess, KafkaProcess], own_badges: Installation, own_demo: DemoTenant
) -> None:
    postgres, broker = own_servers
    async with callers(own_badges, own_demo) as calls:
        async with calls.calling():
            for end, start in (
                (postgres.stop, postgres.start),
                (postgres.kill, postgres.start),
                (broker.stop, broker.start),
                (broker.kill, broker.start),
            ):
                await asyncio.sleep(BETWEEN_SECONDS)
                await asyncio.to_thread(end)
                await asyncio.to_thread(start)
                before = calls.told
                async with asyncio.timeout(30):
                    while calls.told < before + 2 * CALLERS:
                        await asyncio.sleep(0.1)
        await assert_told_is_true(calls.told, own_badges)
