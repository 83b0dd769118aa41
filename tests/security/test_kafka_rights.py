"""Who may read and write which topic, and that nobody may more."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.structs import TopicPartition

from kafka_rights import grant, granted_rights
from messaging.clients import create_producer, create_reader, stop_producer
from messaging.settings import KafkaSettings
from messaging.topics import new_topics, topics_of
from secure_broker import API, DOWNSTREAM, OPERATOR, UPSTREAM, WORKER, SecureBroker


async def write(kafka: KafkaSettings, topic: str) -> None:
    producer = create_producer(kafka)
    await producer.start()
    try:
        await producer.send_and_wait(topic, b"{}", partition=0)
    finally:
        await stop_producer(producer)


async def read(kafka: KafkaSettings, topic: str) -> None:
    consumer = create_reader(kafka, fetch_max_wait_ms=50)
    await consumer.start()
    try:
        await consumer._client._wait_on_metadata(topic)
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.seek_to_beginning()
        await consumer.getmany(timeout_ms=200)
    finally:
        await consumer.stop()


ATTEMPTS: dict[str, Callable[[KafkaSettings, str], Awaitable[None]]] = {"Read": read, "Write": write}


async def is_let(attempt: Awaitable[None]) -> bool:
    try:
        await attempt
    except TopicAuthorizationFailedError:
        return False
    return True


async def test_each_may_read_and_write_what_was_granted_and_nothing_else(
    broker: SecureBroker, topics: str, tmp_path: Path
) -> None:
    granted = granted_rights(tmp_path, prefix=topics)
    await grant(broker.superuser(), granted)
    expected = {(right.user, right.operation, right.name) for right in granted if right.kind == "--topic"}
    names = [new.name for new in new_topics(topics_of(broker.superuser(topics)), partitions=1, replication_factor=1)]
    for user in (API, WORKER, OPERATOR, UPSTREAM, DOWNSTREAM):
        kafka = broker.user(user, topics)
        for operation, attempt in ATTEMPTS.items():
            for name in names:
                is_granted = (user, operation, name) in expected
                assert await is_let(attempt(kafka, name)) is is_granted, (user, operation, name)
