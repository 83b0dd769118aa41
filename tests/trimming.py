"""Deletes records from the beginning of a topic, as retention does."""

from collections.abc import Mapping

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.structs import TopicPartition

from messaging.settings import KafkaSettings


async def delete_records(kafka: KafkaSettings, topic: str, *, before: Mapping[int, int]) -> None:
    """Delete what is before these offsets, by partition."""
    admin = AIOKafkaAdminClient(**kafka.connection())
    await admin.start()
    try:
        await admin.delete_records(
            {TopicPartition(topic, number): RecordsToDelete(before_offset=at) for number, at in before.items()}
        )
    finally:
        await admin.close()
