"""The relay between the real Postgres and the real Kafka: what it publishes."""

import asyncio

import asyncpg
import pytest

import award_worker.relay
from messaging.event_log import EventLog
from messaging.settings import KafkaSettings
from running_relay import claim, enqueue, leads, relaying, seen, until
from storage.database import Database


async def test_batches_are_published_once_in_order_and_forgotten(
    database_url: str, database: Database, kafka: KafkaSettings, connection: asyncpg.Connection
) -> None:
    await enqueue(database, kafka, b"a", b"b")
    await enqueue(database, kafka, b"c")
    async with relaying(database_url, kafka) as running:
        assert await seen(kafka, 3) == [b"a", b"b", b"c"]
        await enqueue(database, kafka, b"d")
        assert await seen(kafka, 4) == [b"a", b"b", b"c", b"d"]
        await until(lambda: running.number("badges_relay_messages_total") == 4)
    assert await connection.fetchval("SELECT count(*) FROM outbox") == 0
    assert await connection.fetchval("SELECT emit_seq FROM relay_state") == 3


async def test_of_two_relays_one_leads_and_the_other_follows_it(
    database_url: str, database: Database, kafka: KafkaSettings
) -> None:
    async with relaying(database_url, kafka) as second:
        async with relaying(database_url, kafka) as first:
            await until(lambda: first.number("badges_relay_is_leader") + second.number("badges_relay_is_leader") > 0)
            await enqueue(database, kafka, b"a")
            assert await seen(kafka, 1) == [b"a"]
            assert first.number("badges_relay_is_leader") + second.number("badges_relay_is_leader") == 1
        await leads(second)
        await enqueue(database, kafka, b"b")
        assert await seen(kafka, 2) == [b"a", b"b"]


async def test_relay_at_rest_has_ended_its_transaction_and_begins_no_other(
    database_url: str, database: Database, kafka: KafkaSettings, connection: asyncpg.Connection
) -> None:
    async with relaying(database_url, kafka) as running:
        await leads(running)
        for number in range(20):
            await enqueue(database, kafka, b"%d" % number)
        await running.relay.rest(10)
        assert await connection.fetchval("SELECT count(*) FROM outbox WHERE emit_seq IS NOT NULL") == 0
        published = await connection.fetchval("SELECT emit_seq FROM relay_state")
        await enqueue(database, kafka, b"late")
        assert len(await seen(kafka, published, settle=1.5)) == published
    async with relaying(database_url, kafka):
        assert len(await seen(kafka, 21)) == 21


async def test_relay_comes_to_rest_only_when_a_take_over_has_ended(
    database_url: str, kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, may_read = asyncio.Event(), asyncio.Event()
    read_watermark = EventLog.read_watermark

    async def held_up(log: EventLog) -> int | None:
        reading.set()
        await may_read.wait()
        return await read_watermark(log)

    monkeypatch.setattr(EventLog, "read_watermark", held_up)
    async with relaying(database_url, kafka) as running:
        await asyncio.wait_for(reading.wait(), 20)
        resting = asyncio.create_task(running.relay.rest(10))
        await asyncio.sleep(0.3)
        assert not resting.done()
        may_read.set()
        await asyncio.wait_for(resting, 5)


async def test_relay_that_is_fenced_takes_over_again_and_loses_nothing(
    database_url: str, database: Database, kafka: KafkaSettings
) -> None:
    async with relaying(database_url, kafka) as running:
        await leads(running)
        intruder = EventLog(kafka)
        await intruder.start()
        await intruder.close()
        await enqueue(database, kafka, b"a")
        assert await seen(kafka, 1, settle=1) == [b"a"]
        assert running.number("badges_relay_failures_total") >= 1


async def test_relay_whose_session_is_lost_begins_anew(
    database_url: str, database: Database, kafka: KafkaSettings, connection: asyncpg.Connection
) -> None:
    async with relaying(database_url, kafka) as running:
        await leads(running)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tests-relay'"
        )
        await until(lambda: running.number("badges_relay_failures_total") >= 1)
        await enqueue(database, kafka, b"a")
        assert await seen(kafka, 1) == [b"a"]


async def test_what_was_published_before_a_crash_is_not_published_again(
    database_url: str, database: Database, kafka: KafkaSettings, connection: asyncpg.Connection
) -> None:
    """The transaction was committed, the outbox not settled: Kafka's watermark tells."""
    await enqueue(database, kafka, b"published")
    await claim(connection)
    log = EventLog(kafka)
    await log.start()
    await log.publish([], upto=1)
    await log.close()
    async with relaying(database_url, kafka) as running:
        await leads(running)
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 0
        await enqueue(database, kafka, b"new")
        assert await seen(kafka, 1, settle=1) == [b"new"]


async def test_what_was_claimed_but_not_published_before_a_crash_is_published(
    database_url: str, database: Database, kafka: KafkaSettings, connection: asyncpg.Connection
) -> None:
    log = EventLog(kafka)
    await log.start()
    await log.publish([], upto=0)
    await log.close()
    await enqueue(database, kafka, b"claimed")
    await claim(connection)
    async with relaying(database_url, kafka):
        assert await seen(kafka, 1, settle=1) == [b"claimed"]


async def test_backlog_of_many_batches_is_published_in_bounded_transactions(
    database_url: str, database: Database, kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(award_worker.relay, "MESSAGES_PER_TRANSACTION", 25)
    for batch in range(12):
        await enqueue(database, kafka, *(b"%d" % (batch * 10 + n) for n in range(10)))
    async with relaying(database_url, kafka) as running:
        assert await seen(kafka, 120) == [b"%d" % n for n in range(120)]
        await until(lambda: running.number("badges_relay_messages_total") == 120)
        assert running.number("badges_relay_transaction_seconds_count") == 6
