"""When the relay refuses: what Kafka holds as published cannot be true."""

import asyncio
from functools import partial

import asyncpg
import pytest

import award_worker.relay
from messaging.event_log import EventLog
from messaging.settings import KafkaSettings
from running_relay import RunningRelay, claim, enqueue, leads, leave_in_doubt, relaying, seen, set_mirror, until
from storage.database import Database


@pytest.mark.parametrize("watermark", [None, 3])
async def test_watermark_below_the_mirror_with_claimed_rows_is_refused_and_nothing_published(
    watermark: int | None,
    database_url: str,
    database: Database,
    kafka: KafkaSettings,
    connection: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(award_worker.relay, "REFUSAL_RETRY_SECONDS", 0.2)
    await leave_in_doubt(database, kafka, connection)
    await enqueue(database, kafka, b"behind it")
    if watermark is not None:
        log = EventLog(kafka)
        await log.start()
        await log.publish([], upto=watermark)
        await log.close()
    async with relaying(database_url, kafka) as running:
        await until(lambda: running.number("badges_relay_is_refusing") == 1)
        await asyncio.sleep(1)
        assert running.number("badges_relay_is_refusing") == 1
        assert running.number("badges_relay_is_leader") == 0
        assert await seen(kafka, 0) == []
        loud = [running.relay.is_in_lasting_trouble]
        monkeypatch.setattr(award_worker.relay, "LOUD_AFTER_SECONDS", 0.5)
        loud.append(running.relay.is_in_lasting_trouble)
        assert loud == [False, True]
    assert await connection.fetchval("SELECT count(*) FROM outbox") == 2
    assert await connection.fetchval("SELECT emit_seq FROM relay_state") == 10


async def test_refusal_ends_when_an_operator_has_decided(
    database_url: str,
    database: Database,
    kafka: KafkaSettings,
    connection: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(award_worker.relay, "REFUSAL_RETRY_SECONDS", 0.2)
    await leave_in_doubt(database, kafka, connection)
    async with relaying(database_url, kafka) as running:
        await until(lambda: running.number("badges_relay_is_refusing") == 1)
        await connection.execute("UPDATE outbox SET emit_seq = NULL")  # not out: publish it
        await leads(running)
        assert await seen(kafka, 1) == [b"in doubt"]
        assert running.number("badges_relay_is_refusing") == 0


async def test_watermark_below_the_mirror_with_nothing_claimed_goes_on_from_the_mirror(
    database_url: str, database: Database, kafka: KafkaSettings, connection: asyncpg.Connection
) -> None:
    await set_mirror(connection, 10)
    await enqueue(database, kafka, b"a")
    async with relaying(database_url, kafka):
        assert await seen(kafka, 1) == [b"a"]
    log = EventLog(kafka)
    await log.start()
    assert await log.read_watermark() == 11
    await log.close()


async def test_first_claims_without_any_watermark_are_refused(
    database_url: str, database: Database, kafka: KafkaSettings, connection: asyncpg.Connection
) -> None:
    """Rows were claimed, so a watermark was written before: Kafka has lost it."""
    await enqueue(database, kafka, b"in doubt")
    await claim(connection)
    async with relaying(database_url, kafka) as running:
        await until(lambda: running.number("badges_relay_is_refusing") == 1)
        assert await seen(kafka, 0) == []


async def test_watermark_above_every_number_is_refused_until_an_operator_has_decided(
    database_url: str,
    database: Database,
    kafka: KafkaSettings,
    connection: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another cluster, or an older database: rows with numbers below it would pass for published."""
    monkeypatch.setattr(award_worker.relay, "REFUSAL_RETRY_SECONDS", 0.2)
    log = EventLog(kafka)
    await log.start()
    await log.publish([], upto=500)
    await log.close()
    await enqueue(database, kafka, b"a")
    await claim(connection)
    await enqueue(database, kafka, b"b")
    async with relaying(database_url, kafka) as running:
        await until(lambda: running.number("badges_relay_is_refusing") == 1)
        assert await seen(kafka, 0) == []
        await connection.execute("UPDATE outbox SET emit_seq = NULL")
        await connection.execute("SELECT setval('outbox_emit_seq', 500)")  # restored: go on above it
        assert await seen(kafka, 2) == [b"a", b"b"]
        await until(lambda: running.number("badges_relay_messages_total") == 2)
    log = EventLog(kafka)
    await log.start()
    assert await log.read_watermark() == 502
    await log.close()


def refusing_is(running: RunningRelay, value: int) -> bool:
    return running.number("badges_relay_is_refusing") == value


async def test_relay_that_refused_is_well_again_when_another_has_gone_on(
    database_url: str,
    database: Database,
    kafka: KafkaSettings,
    connection: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(award_worker.relay, "REFUSAL_RETRY_SECONDS", 0.2)
    await leave_in_doubt(database, kafka, connection)
    async with relaying(database_url, kafka) as one, relaying(database_url, kafka) as other:
        for running in (one, other):
            await until(partial(refusing_is, running, 1))
        await connection.execute("UPDATE outbox SET emit_seq = NULL")
        for running in (one, other):
            await until(partial(refusing_is, running, 0))
        assert await seen(kafka, 1) == [b"in doubt"]
