"""Peer (b): a FastAPI handler that inserts, then publishes; asyncpg's pool, aiokafka's producer.

Between the two it may die: then the award is there and the event never comes.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import asyncpg
import uvicorn
from aiokafka import AIOKafkaProducer

from bench.peers.award_app import create_award_app
from bench.peers.bodies import BadgeAwarded
from bench.peers.insertion import insert_award
from bench.peers.settings import PeerSettings
from messaging.topics import topics_of

_FIND = "SELECT earned_at FROM awards WHERE tenant_id = $1 AND participant_id = $2 AND badge_id = $3"


class DualWrite:
    """Inserts and publishes."""

    def __init__(self, pool: asyncpg.Pool, producer: AIOKafkaProducer, topic: str) -> None:
        self._pool = pool
        self._producer = producer
        self._topic = topic

    async def award(self, event: BadgeAwarded) -> tuple[datetime, bool]:
        """See `Awards`."""
        async with self._pool.acquire() as connection:
            if not await insert_award(connection, event):
                return await connection.fetchval(_FIND, event.tenant_id, event.participant_id, event.badge_id), True
        await self._producer.send_and_wait(self._topic, event.value, key=event.key)
        return event.earned_at, False


@asynccontextmanager
async def open_awards(settings: PeerSettings, pool: asyncpg.Pool) -> AsyncIterator[DualWrite]:
    """Connect to Kafka."""
    async with AIOKafkaProducer(**settings.kafka.connection(), acks="all") as producer:
        yield DualWrite(pool, producer, topics_of(settings.kafka).badge_awarded)


if __name__ == "__main__":
    settings = PeerSettings()
    uvicorn.run(create_award_app(settings, open_awards), port=settings.port, access_log=False, log_level="warning")
