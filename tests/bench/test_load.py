"""What the figures rest on: the load generator, and when an event counts as visible."""

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import TypeAlias

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from bench.errors import BenchError
from bench.visibility import watching
from bench.wrk import Load, find_wrk

from devstack.seed import DemoTenant
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from processes import Service

StartPeer: TypeAlias = Callable[..., Awaitable[Service]]
CALLERS = 4


async def test_load_asks_for_another_participant_with_every_call(
    demo: DemoTenant, connection: asyncpg.Connection, start_peer: StartPeer
) -> None:
    service = await start_peer("dual_write")
    load = Load(kind="award", names="user-%d")
    answered = await find_wrk().run(service.url, demo.live_key, load, connections=CALLERS, seconds=1)
    awards = await connection.fetchval("SELECT count(*) FROM awards")
    # Those that were under way when the time was up are not counted.
    assert answered.requests <= awards <= answered.requests + CALLERS
    assert 0 < answered.p50_ms <= answered.p99_ms


async def test_run_with_failed_calls_has_no_figures(start_peer: StartPeer) -> None:
    service = await start_peer("dual_write")
    with pytest.raises(BenchError, match="calls failed"):
        await find_wrk().run(service.url, "no key", Load(kind="award", names="user-%d"), connections=1, seconds=1)


async def test_event_is_visible_once_its_transaction_is_committed(kafka: KafkaSettings) -> None:
    async with transactional(kafka) as producer, watching(kafka) as visibility:
        waiting = asyncio.create_task(visibility.when_visible(10, seconds=20, at_rest=lambda: None))
        async with producer.transaction():
            await publish(producer, kafka, 10)
            await asyncio.sleep(2)
            committed = perf_counter()
        assert committed <= await waiting < perf_counter()


async def test_more_events_than_awards_are_refused(kafka: KafkaSettings) -> None:
    async with transactional(kafka) as producer, watching(kafka) as visibility:
        async with producer.transaction():
            await publish(producer, kafka, 11)
        with pytest.raises(BenchError, match="11 events became visible, for 10 awards"):
            await visibility.when_visible(10, seconds=20, at_rest=lambda: None)


async def test_events_that_do_not_come_are_not_waited_for_for_ever(kafka: KafkaSettings) -> None:
    async with watching(kafka) as visibility:
        with pytest.raises(BenchError, match="0 of 10 events were visible"):
            await visibility.when_visible(10, seconds=1, at_rest=lambda: None)


def transactional(kafka: KafkaSettings) -> AIOKafkaProducer:
    return AIOKafkaProducer(**kafka.connection(), transactional_id=f"{kafka.prefix}tests")


async def publish(producer: AIOKafkaProducer, kafka: KafkaSettings, events: int) -> None:
    for number in range(events):
        await producer.send_and_wait(topics_of(kafka).badge_awarded, b"{}", key=str(number).encode())
