"""SIGTERM: what is under way is finished, within a setting; nothing new is taken."""

import asyncio
import signal

import asyncpg
import httpx

from builders import award_request, publish
from devstack.seed import DemoTenant
from messaging.topics import topics_of
from observers import read_topic
from processes import Installation, Service
from servers import KafkaProcess, PostgresProcess

AWARD = {"participant_id": "user_123", "badge_code": "power_user"}
PATH = "/api/v1/gamify/badges/award"
CLOSING_SECONDS = 10
"""For closing connections to Kafka and Postgres."""


async def seconds_to_end(service: Service) -> float:
    """Wait until the process has ended."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await asyncio.to_thread(service.wait)
    return loop.time() - begun


async def somebody_waits(connection: asyncpg.Connection) -> None:
    """Return once a process waits for a lock in Postgres."""
    async with asyncio.timeout(10):
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.02)


async def refuses(url: str) -> None:
    """Return once nothing accepts a connection there."""
    host, port = url.removeprefix("http://").split(":")
    async with asyncio.timeout(3):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except ConnectionRefusedError:
                return
            writer.close()
            await asyncio.sleep(0.01)


async def test_gateway_told_to_end_answers_what_is_under_way_and_accepts_nothing_new(
    badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    gateway = badges.gateway()
    badges.worker()
    await asyncio.gather(*(service.ready() for service in badges.services))
    async with httpx.AsyncClient(base_url=gateway.url, headers={"X-API-Key": demo.live_key}, timeout=15) as client:
        async with asyncio.timeout(30):  # until the worker has its partitions
            while (await client.post(PATH, json=AWARD | {"participant_id": "first"})).status_code != httpx.codes.OK:
                pass
        async with connection.transaction():
            await connection.execute("LOCK TABLE awards IN ACCESS EXCLUSIVE MODE")
            under_way = asyncio.create_task(client.post(PATH, json=AWARD))
            await somebody_waits(connection)
            gateway.send(signal.SIGTERM)
            await refuses(gateway.url)
            assert not under_way.done()
        answer = await under_way
    assert (answer.status_code, answer.json()["already_earned"]) == (200, False)
    assert await seconds_to_end(gateway) < CLOSING_SECONDS


async def test_gateway_waits_for_a_slow_caller_no_longer_than_its_setting(
    badges: Installation, demo: DemoTenant
) -> None:
    gateway = await badges.gateway(drain_seconds="1", receive_seconds="60").ready()
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nX-API-Key: {demo.live_key}\r\nContent-Length: 100\r\n\r\n"
    writer.write(head.encode() + b"{")
    await writer.drain()
    await asyncio.sleep(0.2)
    gateway.send(signal.SIGTERM)
    assert 1 <= await seconds_to_end(gateway) < 1 + CLOSING_SECONDS
    await reader.read()
    writer.close()


async def test_worker_gives_up_a_batch_that_cannot_end_and_another_does_it(
    badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    leaving = await badges.worker(drain_seconds="1").ready()
    async with connection.transaction():
        await connection.execute("LOCK TABLE awards IN ACCESS EXCLUSIVE MODE")
        await publish(badges.kafka, award_request(tenant_id=demo.id))
        await somebody_waits(connection)
        leaving.send(signal.SIGTERM)
        assert 1 <= await seconds_to_end(leaving) < 1 + CLOSING_SECONDS
    await badges.worker().ready()
    events = await read_topic(badges.kafka, topics_of(badges.kafka).badge_awarded, at_least=1, settle=1)
    assert len(events) == 1
    assert await connection.fetchval("SELECT count(*) FROM awards") == 1


async def test_services_end_in_time_while_kafka_and_postgres_hang(
    own_servers: tuple[PostgresProcess, KafkaProcess], own_badges: Installation
) -> None:
    postgres, broker = own_servers
    services = [own_badges.gateway(drain_seconds="1"), own_badges.worker(drain_seconds="1")]
    await asyncio.gather(*(service.ready() for service in services))
    with postgres.hanging(), broker.hanging():
        for service in services:
            service.send(signal.SIGTERM)
        times = await asyncio.gather(*(seconds_to_end(service) for service in services))
    assert max(times) < 1 + CLOSING_SECONDS
