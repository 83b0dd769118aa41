"""The pinned broker keeps its transaction markers through a restart; releases with KAFKA-20734 do not.

Transactions pass their timeout while the broker is down. Releases 4.3.0 to 4.4.0 mark them aborted
without writing abort markers, and the next commit under the same id publishes what was never
committed: on 4.3.1 this happened at two of three restarts, so three brokers are restarted at once.
A release is adopted only when this passes on it.
"""

import asyncio
from pathlib import Path

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from messaging.clients import drop_producer
from messaging.settings import KafkaSettings
from observers import read_topic
from servers import KafkaProcess

TOPIC = "marked"
BROKERS = 3
TRANSACTIONS = 24
TIMEOUT_MS = 10_000
DOWN_SECONDS = 12


async def test_what_was_never_committed_is_never_seen_after_a_restart_past_the_timeout(tmp_path: Path) -> None:
    seen = await asyncio.gather(*(restart_past_the_timeout(tmp_path / str(number)) for number in range(BROKERS)))
    assert seen == [["committed"] * TRANSACTIONS] * BROKERS


async def restart_past_the_timeout(folder: Path) -> list[str]:
    """Return what a `read_committed` reader sees on a broker that was down longer than the timeout."""
    broker = KafkaProcess(folder)
    await asyncio.to_thread(broker.start)
    try:
        await create_topic(broker.bootstrap)
        await begin_and_abandon(broker)
        await asyncio.sleep(DOWN_SECONDS)
        # As the relay does, successors try while the broker is still starting.
        await asyncio.gather(
            asyncio.to_thread(broker.start), *(succeed(broker.bootstrap, number) for number in range(TRANSACTIONS))
        )
        kafka = KafkaSettings(bootstrap=broker.bootstrap)
        records = await read_topic(kafka, TOPIC, at_least=TRANSACTIONS, settle=2)
        return [record.value.decode() for record in records]
    finally:
        await asyncio.to_thread(broker.stop)


async def begin_and_abandon(broker: KafkaProcess) -> None:
    """Kill the broker with an open transaction on each partition."""
    producers = [create_producer(broker.bootstrap, number) for number in range(TRANSACTIONS)]
    try:
        for partition, producer in enumerate(producers):
            await producer.start()
            await producer.begin_transaction()
            await producer.send_and_wait(TOPIC, b"never committed", partition=partition)
        broker.kill()
    finally:
        for producer in producers:
            await drop_producer(producer)


async def succeed(bootstrap: str, number: int) -> None:
    """Commit one record under the id of an abandoned transaction, as soon as the broker lets us."""
    await asyncio.sleep(number * 0.1)
    while True:
        producer = create_producer(bootstrap, number)
        try:
            await producer.start()
            await producer.begin_transaction()
            await producer.send_and_wait(TOPIC, b"committed", partition=number)
            await producer.commit_transaction()
        except KafkaError:
            await asyncio.sleep(0.05)
        else:
            return
        finally:
            await drop_producer(producer)


async def create_topic(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(TOPIC, TRANSACTIONS, 1)])
    await admin.close()


def create_producer(bootstrap: str, number: int) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        transactional_id=f"relay-{number}",
        transaction_timeout_ms=TIMEOUT_MS,
        retry_backoff_ms=20,
    )
