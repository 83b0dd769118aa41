"""A relay between the real Postgres and the real Kafka, and what it is given to do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import asyncpg

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
