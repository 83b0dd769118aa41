"""`badgectl doctor` on the topics of a real broker: what is missing, set wrongly, or takes nothing."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from examinations import found
from messaging.group_offsets import open_client
from messaging.kafka_facts import find_topics
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from operator_commands import badgectl
from processes import Installation


@asynccontextmanager
async def administered(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**kafka.connection())
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def configure(kafka: KafkaSettings, changes: Mapping[str, Mapping[str, str]]) -> None:
    """Give topics these settings, and no others."""
    async with administered(kafka) as admin:
        await admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name, configs=dict(own)) for name, own in changes.items()]
        )
    async with open_client(kafka) as client, asyncio.timeout(10):
        while True:
            topics = await find_topics(client, list(changes))
            if all(own.items() <= topics[name].settings.items() for name, own in changes.items()):
                return
            await asyncio.sleep(0.05)


async def test_missing_topics_are_named_with_the_command_that_makes_them(badges: Installation) -> None:
    topics = topics_of(badges.kafka)
    async with administered(badges.kafka) as admin:
        await admin.delete_topics([topics.award_outcomes, topics.relay_marker])
        async with asyncio.timeout(10):
            while {topics.award_outcomes, topics.relay_marker} & {*await admin.list_topics()}:
                await asyncio.sleep(0.05)
    (told,) = await found(badges, "topics")
    assert (told["level"], told["said"]) == ("failure", f"missing: {topics.award_outcomes}, {topics.relay_marker}")
    assert "badgectl topics" in told["remedy"]
    assert (await badgectl(badges, "topics")).code == 0
    assert [each["level"] for each in await found(badges, "topics")] == ["ok"]


async def test_every_setting_of_a_topic_that_breaks_the_promise_is_told(badges: Installation) -> None:
    topics = topics_of(badges.kafka)
    wrong = {
        topics.award_requests: {
            "retention.ms": "604800000",
            "retention.bytes": "1048576",
            "cleanup.policy": "compact",
            "unclean.leader.election.enable": "true",
        },
        topics.badge_awarded: {"retention.ms": "1000", "max.message.bytes": "1000"},
        topics.award_requests_dlq: {"retention.ms": "-1", "max.message.bytes": "9000000"},
        topics.award_outcomes: {"retention.ms": "-1", "max.message.bytes": "9000000"},
    }
    await configure(badges.kafka, wrong)
    told = await found(badges, "topic settings")
    levels_of = {tuple(each["said"].split()[:2]): each["level"] for each in told}
    assert levels_of == {
        (f"{topics.award_requests}:", "cleanup.policy"): "failure",
        (f"{topics.award_requests}:", "unclean.leader.election.enable"): "failure",
        (f"{topics.award_requests}:", "retention.ms"): "failure",
        (f"{topics.award_requests}:", "retention.bytes"): "warning",
        (f"{topics.award_requests}:", "max.message.bytes"): "warning",
        (f"{topics.award_requests}:", "compression.type"): "warning",
        (f"{topics.badge_awarded}:", "retention.ms"): "warning",
        (f"{topics.badge_awarded}:", "max.message.bytes"): "failure",
        (f"{topics.award_outcomes}:", "retention.ms"): "warning",
        (f"{topics.award_requests_dlq}:", "message.timestamp.type"): "warning",
    }
    remedies = [each["remedy"] for each in told]
    assert f"kafka-configs.sh --alter --topic {topics.award_requests} --add-config retention.ms=-1" in remedies


async def test_topic_that_nothing_can_be_written_to_is_told(badges: Installation) -> None:
    topic = topics_of(badges.kafka).badge_awarded
    await configure(badges.kafka, {topic: {"min.insync.replicas": "2"}})
    told = await found(badges, "topic replicas")
    assert [(each["level"], each["said"].split(":")[0]) for each in told][:1] == [("failure", topic)]
    assert "nothing can be written" in told[0]["said"]
