"""The topics: names, partitions, settings. `docs/events.md` says who writes and reads each."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from messaging.refusals import reasons_told
from messaging.settings import KafkaSettings

MEBIBYTE = 1024 * 1024
DAY_MS = 24 * 60 * 60 * 1000
CREATE_SECONDS = 30

REQUEST_BYTES = MEBIBYTE
"""A record of `award_requests` is at most so large; the broker refuses more."""

REPLY_BYTES = 4 * MEBIBYTE
"""Dead letters and outcomes: what came in, plus what we add, fits; what does not is cut."""

SAFE_COPIES = 3
"""From so many on one broker may be away, and nothing is lost or held up."""

WATERMARK_PARTITION = 0
NONCE_PARTITION = 1


@dataclass(frozen=True, slots=True)
class Topics:
    """Every name on the cluster that is ours, under one prefix."""

    prefix: str = ""

    @property
    def award_requests(self) -> str:
        """Requests for awards, from gateways and upstream services."""
        return f"{self.prefix}award_requests"

    @property
    def badge_awarded(self) -> str:
        """One event for each award."""
        return f"{self.prefix}badge_awarded"

    @property
    def award_outcomes(self) -> str:
        """The worker's answers to waiting gateways. Internal."""
        return f"{self.prefix}award_outcomes"

    @property
    def award_requests_dlq(self) -> str:
        """Requests that can never succeed, as they came, with the reason."""
        return f"{self.prefix}award_requests_dlq"

    @property
    def relay_marker(self) -> str:
        """No records, two partitions: the relay's group keeps its offsets on them. Internal."""
        return f"{self.prefix}badges_relay_marker"

    @property
    def worker_group(self) -> str:
        """The consumer group of the workers."""
        return f"{self.prefix}badges-award-worker"

    @property
    def relay_group(self) -> str:
        """The group under which the relay commits its watermark."""
        return f"{self.prefix}badges-relay"

    @property
    def relay_transactional_id(self) -> str:
        """One for all relays of an installation: Kafka fences every relay but the newest."""
        return f"{self.prefix}badges-relay"


def topics_of(kafka: KafkaSettings) -> Topics:
    """Return the names that these settings lead to."""
    return Topics(kafka.prefix)


def new_topics(topics: Topics, *, partitions: int, replication_factor: int) -> Sequence[NewTopic]:
    """Describe every topic for its creation.

    `award_requests` is bounded by size, not by age: upstream services may set old timestamps, and
    Kafka judges age by them. The broker stores it uncompressed, and so judges the size of what it
    will be when it is read: a few compressed bytes can stand for any number.

    With three copies or more, two have what is acknowledged: one alone could be lost with its broker.
    """
    safe = {"min.insync.replicas": "2"} if replication_factor >= SAFE_COPIES else {}
    forever = {"retention.ms": "-1"}
    outcomes = {"retention.ms": str(10 * 60 * 1000), "segment.ms": str(10 * 60 * 1000)}
    configs = {
        topics.award_requests: (
            partitions,
            forever
            | {
                "retention.bytes": str(1024 * MEBIBYTE),
                "max.message.bytes": str(REQUEST_BYTES),
                "compression.type": "uncompressed",
            },
        ),
        topics.badge_awarded: (partitions, forever | {"max.message.bytes": str(REPLY_BYTES)}),
        topics.award_requests_dlq: (
            partitions,
            forever | {"max.message.bytes": str(REPLY_BYTES), "message.timestamp.type": "LogAppendTime"},
        ),
        topics.award_outcomes: (12, outcomes | {"max.message.bytes": str(REPLY_BYTES)}),
        topics.relay_marker: (2, forever),
    }
    return [
        NewTopic(name, count, replication_factor, topic_configs=config | safe)
        for name, (count, config) in configs.items()
    ]


async def create_topics(kafka: KafkaSettings, *, partitions: int = 12) -> None:
    """Create the topics that do not exist; leave the others as they are.

    Raises:
        KafkaError: the broker refuses, naming the topic.
        TimeoutError: not done within 30 s.
    """
    wanted = new_topics(topics_of(kafka), partitions=partitions, replication_factor=kafka.replication_factor)
    async with asyncio.timeout(CREATE_SECONDS):
        admin = AIOKafkaAdminClient(**kafka.connection())
        async with reasons_told(kafka):
            await admin.start()
        try:
            existing = set(await admin.list_topics())
            missing = [topic for topic in wanted if topic.name not in existing]
            if missing:
                response = await admin.create_topics(missing)
                for name, code, *message in response.topic_errors:
                    error = for_code(code)
                    if code and error is not TopicAlreadyExistsError:
                        raise error(f"topic {name} was not created: {message}")
        finally:
            await admin.close()
