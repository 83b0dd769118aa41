"""The pinned broker keeps its transaction markers through a restart (KAFKA-20734 does not).

A transaction passes its timeout while the broker is down. Releases 4.3.0 to 4.4.0 mark it aborted
without writing abort markers, and the next commit under that id publishes what was never committed.
A release is adopted only when this passes on it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from messaging.clients import drop_producer
from messaging.settings import KafkaSettings
from observers import read_topic
from servers import KafkaProcess

TOPIC = "marked"
TRANSACTIONAL_ID = "one-relay"
TIMEOUT_MS = 10_000
DOWN_SECONDS = 12
NEVER_COMMITTED = 6
PARTITIONS = 12


async def test_what_was_never_committed_is_never_seen_after_a_restart_past_the_timeout(tmp_path: Path) -> None:
    broker = KafkaProcess(tmp_path / "kafka")
    await asyncio.to_thread(broker.start)
    try:
        await create_topic(broker.bootstrap)
        async with transaction(broker.bootstrap) as producer:
            for partition in range(NEVER_COMMITTED):
                await producer.send_and_wait(TOPIC, b"never committed", partition=partition)
            broker.kill()
            await asyncio.sleep(DOWN_SECONDS)
            await asyncio.to_thread(broker.start)
            async with transaction(broker.bootstrap) as successor:
                for partition in range(NEVER_COMMITTED):
                    await successor.send_and_wait(TOPIC, b"committed", partition=partition)
                await successor.commit_transaction()
        kafka = KafkaSettings(bootstrap=broker.bootstrap)
        seen = await read_topic(kafka, TOPIC, at_least=NEVER_COMMITTED, settle=2)
        assert [record.value for record in seen] == [b"committed"] * NEVER_COMMITTED
    finally:
        broker.stop()


async def create_topic(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])
    await admin.close()


@contextlib.asynccontextmanager
async def transaction(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    """Lend a producer with an open transaction, and drop it as a crash would."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        transactional_id=TRANSACTIONAL_ID,
        transaction_timeout_ms=TIMEOUT_MS,
    )
    await producer.start()
    await producer.begin_transaction()
    try:
        yield producer
    finally:
        await drop_producer(producer)
