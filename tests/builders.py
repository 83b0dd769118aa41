"""Requests and records, as tests want them: every field has a plain default."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from domain.awards import Award, AwardRequest, LogPosition, RawRecord, ReplyAddress
from domain.badges import Badge, Rarity
from messaging.award_requested import encode_request
from messaging.clients import create_producer, stop_producer
from messaging.settings import KafkaSettings
from messaging.topics import topics_of

TENANT = UUID("11111111-1111-4111-8111-111111111111")
NOON = datetime(2026, 2, 14, 12, tzinfo=UTC)

_requests = count(1)


def award_request(**changes: Any) -> AwardRequest:
    """A valid request of a participant for power_user."""
    fields: dict[str, Any] = {
        "tenant_id": TENANT,
        "participant_id": "user_123",
        "badge_code": "power_user",
        "metadata": None,
        "earned_at": NOON,
        "request_id": f"request-{next(_requests)}",
        "source": "/tests",
    }
    return AwardRequest(**fields | {k: UUID(str(v)) if k == "tenant_id" else v for k, v in changes.items()})


def badge(**changes: Any) -> Badge:
    """The active definition of power_user."""
    fields: dict[str, Any] = {
        "id": UUID("22222222-2222-4222-8222-222222222222"),
        "tenant_id": TENANT,
        "code": "power_user",
        "name": "Power User",
        "rarity": Rarity.RARE,
        "is_active": True,
        "created_at": NOON,
        "updated_at": NOON,
    }
    return Badge(**fields | changes)


def award_of(request: AwardRequest, badge: Badge) -> Award:
    """The award that a request earns."""
    return Award(
        tenant_id=request.tenant_id,
        participant_id=request.participant_id,
        badge_id=badge.id,
        earned_at=request.earned_at,
        metadata=request.metadata,
        request_id=request.request_id,
        source=request.source,
    )


def raw_record(
    value: bytes | None = None,
    *,
    request: AwardRequest | None = None,
    headers: Sequence[tuple[str, bytes | None]] | None = None,
    reply_to: ReplyAddress | None = None,
    offset: int = 0,
    timestamp_ms: int = 1_700_000_000_000,
) -> RawRecord:
    """A record as it comes from the log; by default the one that asks for `request`."""
    key, body, usual_headers = encode_request(request or award_request(), reply_to)
    return RawRecord(
        position=LogPosition(topic="award_requests", partition=0, offset=offset, timestamp_ms=timestamp_ms),
        key=key,
        value=body if value is None else value,
        headers=tuple(usual_headers if headers is None else headers),
    )


async def publish(kafka: KafkaSettings, *requests: AwardRequest, partition: int | None = None) -> None:
    """Publish as an upstream service does, in order; to one partition if asked."""
    producer: AIOKafkaProducer = create_producer(kafka)
    try:
        await producer.start()
        topic = topics_of(kafka).award_requests
        sent = []
        for request in requests:
            key, value, headers = encode_request(request)
            sent.append(await producer.send(topic, value, key=key, headers=headers, partition=partition))
        for acknowledged in sent:
            await acknowledged
    finally:
        await stop_producer(producer)


async def commit_for_workers(kafka: KafkaSettings, offset: int, *partitions: int, note: str = "") -> None:
    """Commit the offset, with this text beside it, for the workers' group, which nobody is in."""
    topics = topics_of(kafka)
    places = [TopicPartition(topics.award_requests, partition) for partition in partitions]
    consumer = AIOKafkaConsumer(**kafka.connection(), group_id=topics.worker_group, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(places)
        await consumer.commit(dict.fromkeys(places, (offset, note)))
    finally:
        await consumer.stop()
