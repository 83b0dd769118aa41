"""The partitions of a topic, for readers without a group."""

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition


async def partitions_of(reader: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """Ask the broker; the reader must have been started."""
    numbers = await reader._client._wait_on_metadata(topic)  # noqa: SLF001 - partitions_for_topic() knows only subscribed topics
    return [TopicPartition(topic, number) for number in sorted(numbers)]
