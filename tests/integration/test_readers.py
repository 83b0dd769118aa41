"""Readers of topics, where a topic is not what it was."""

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.structs import TopicPartition

from messaging.clients import METADATA_PAUSE_SECONDS, create_reader
from messaging.settings import KafkaSettings
from messaging.topics import topics_of

SECONDS = 2.0


async def test_reader_of_a_deleted_topic_does_not_ask_for_it_without_a_pause(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    update = AIOKafkaClient._metadata_update

    async def counted(client: AIOKafkaClient, *arguments: object) -> object:
        nonlocal asked
        asked += 1
        return await update(client, *arguments)

    monkeypatch.setattr(AIOKafkaClient, "_metadata_update", counted)
    topic = topics_of(kafka).badge_awarded
    reader = create_reader(kafka)
    await reader.start()
    try:
        reader.assign([TopicPartition(topic, 0)])
        await reader.seek_to_beginning()
        admin = AIOKafkaAdminClient(**kafka.connection())
        await admin.start()
        await admin.delete_topics([topic])
        await admin.close()
        async with asyncio.timeout(20):
            while reader._client.cluster.leader_for_partition(TopicPartition(topic, 0)) is not None:
                await reader.getmany(timeout_ms=50)
        before = asked
        await asyncio.sleep(SECONDS)
        assert 2 < asked - before <= SECONDS / METADATA_PAUSE_SECONDS + 1
    finally:
        await reader.stop()
