"""The relay between the real Postgres and the real Kafka: what it publishes, and when it refuses."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import asyncpg
import pytest

import award_worker.relay
from award_worker.metrics import WorkerMetrics
from award_worker.relay import Relay
from messaging.event_log import EventLog
from messaging.outbox_payload import OutboxMessage, pack_message
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from observers import read_topic
from storage.database import Database
from storage.ledger import PostgresLedger
from storage.outbox import open_outbox

SECONDS = 20


class RunningRelay:
    """A relay at work, and its numbers."""

    def __init__(self, database_url: str, kafka: KafkaSettings) -> None:
        self.metrics = WorkerMetrics()
        self.relay = Relay(
            open_outbox=lambda: open_outbox(database_url, application="tests-relay"),
            create_publisher=lambda: EventLog(kafka),
            metrics=self.metrics,
        )

    def number(self, name: str) -> float:
        """One of its metrics."""
        return self.metrics.registry.get_sample_value(name) or 0.0


@asynccontextmanager
async def relaying(database_url: str, kafka: KafkaSettings) -> AsyncIterator[RunningRelay]:
    """Run a relay meanwhile."""
    running = RunningRelay(database_url, kafka)
    task = asyncio.create_task(running.relay.run())
    try:
        yield running
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds."""
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.02)


async def leads(running: RunningRelay) -> None:
    """Return once the relay is at work."""
    await until(lambda: running.number("badges_relay_is_leader") == 1)


async def enqueue(database: Database, kafka: KafkaSettings, *values: bytes) -> None:
    """One batch of events."""
    topic = topics_of(kafka).badge_awarded
    packed = [
        pack_message(OutboxMessage(topic=topic, partition_hash=0, key=None, value=value, headers=()))
        for value in values
    ]
    async with PostgresLedger(database).transaction() as transaction:
        await transaction.enqueue(packed)


async def seen(kafka: KafkaSettings, at_least: int, settle: float = 0.5) -> list[bytes]:
    """The events, in order."""
    records = await read_topic(kafka, topics_of(kafka).badge_awarded, at_least=at_least, settle=settle)
    return [record.value for record in records]


async def claim(connection: asyncpg.Connection) -> None:
    """Give every row its number, as a relay does before it publishes."""
    await connection.execute("UPDATE outbox SET emit_seq = nextval('outbox_emit_seq')")


async def set_mirror(connection: asyncpg.Connection, emit_seq: int) -> None:
    """Have Postgres believe that so much was published."""
    await connection.execute("UPDATE relay_state SET emit_seq = $1", emit_seq)
    await connection.execute("SELECT setval('outbox_emit_seq', $1)", emit_seq)


async def leave_in_doubt(database: Database, kafka: KafkaSettings, connection: asyncpg.Connection) -> None:
    """A batch claimed above the mirror, where Kafka has no watermark that tells of it."""
    await set_mirror(connection, 10)
    await enqueue(database, kafka, b"in doubt")
    await claim(connection)


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
