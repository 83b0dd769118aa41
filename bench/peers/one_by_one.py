"""Peer (a): a FastStream worker that takes one message at a time: insert, commit, publish, acknowledge.

Run by `faststream run --factory bench.peers.one_by_one:create_worker`. When it dies between the commit
and the publishing, the event is lost: the message that comes again finds the award there.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import uuid4

import asyncpg
from faststream import AckPolicy, Context, ContextRepo, FastStream
from faststream.kafka import KafkaBroker

from bench.peers.bodies import AwardRequested, BadgeAwarded
from bench.peers.definitions import Badge, Definitions
from bench.peers.insertion import insert_award
from bench.peers.settings import PeerSettings
from messaging.topics import topics_of


def create_worker() -> FastStream:
    """Build the worker. Nothing connects before it runs."""
    settings = PeerSettings()
    topics = topics_of(settings.kafka)
    broker = KafkaBroker(settings.kafka.bootstrap)

    @asynccontextmanager
    async def lifespan(context: ContextRepo) -> AsyncIterator[None]:
        connections = settings.database_connections
        async with asyncpg.create_pool(settings.database_url, min_size=1, max_size=connections) as pool:
            context.set_global("pool", pool)
            context.set_global("definitions", Definitions(pool))
            yield

    @broker.subscriber(
        topics.award_requests,
        group_id=topics.worker_group,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.ACK_FIRST if settings.acknowledges_first else AckPolicy.NACK_ON_ERROR,
    )
    async def award(
        request: AwardRequested,
        pool: Annotated[asyncpg.Pool, Context()],
        definitions: Annotated[Definitions, Context()],
    ) -> None:
        badge = await definitions.badge(request.tenant_id, request.badge_code)
        if badge is None:
            return
        event = _event(request, badge)
        async with pool.acquire() as connection, connection.transaction():
            is_new = await insert_award(connection, event)
        if is_new:
            await broker.publish(event.value, topics.badge_awarded, key=event.key)

    return FastStream(broker, lifespan=lifespan)


def _event(request: AwardRequested, badge: Badge) -> BadgeAwarded:
    return BadgeAwarded(
        tenant_id=request.tenant_id,
        participant_id=request.participant_id,
        badge_id=badge.id,
        badge_code=badge.code,
        badge_name=badge.name,
        rarity=badge.rarity,
        icon=badge.icon,
        category=badge.category,
        earned_at=request.earned_at,
        metadata=request.metadata,
        request_id=str(uuid4()),
        source="/peer",
    )
