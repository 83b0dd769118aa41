"""Peer (c): as peer (b), with SQLAlchemy's ORM: add, commit, publish."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import uvicorn
from aiokafka import AIOKafkaProducer
from sqlalchemy import DateTime
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from bench.peers.award_app import create_award_app
from bench.peers.bodies import BadgeAwarded
from bench.peers.settings import PeerSettings
from messaging.topics import topics_of


class _Model(DeclarativeBase):
    pass


class AwardRow(_Model):
    """A row of `awards`."""

    __tablename__ = "awards"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    participant_id: Mapped[str] = mapped_column(primary_key=True)
    badge_id: Mapped[UUID] = mapped_column(primary_key=True)
    earned_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata", JSONB(none_as_null=True))
    request_id: Mapped[str]
    source: Mapped[str]


class OrmDualWrite:
    """Adds, commits and publishes."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession], producer: AIOKafkaProducer, topic: str) -> None:
        self._sessions = sessions
        self._producer = producer
        self._topic = topic

    async def award(self, event: BadgeAwarded) -> tuple[datetime, bool]:
        """See `Awards`."""
        async with self._sessions() as session:
            session.add(_row(event))
            try:
                await session.commit()
            except IntegrityError:
                await session.rollback()
                earned = await session.get_one(AwardRow, (event.tenant_id, event.participant_id, event.badge_id))
                return earned.earned_at, True
        await self._producer.send_and_wait(self._topic, event.value, key=event.key)
        return event.earned_at, False


@asynccontextmanager
async def open_awards(settings: PeerSettings, _pool: asyncpg.Pool) -> AsyncIterator[OrmDualWrite]:
    """Connect to Kafka; the sessions have a pool of their own."""
    engine = create_async_engine(
        settings.database_url.replace("postgresql://", "postgresql+asyncpg://"),
        pool_size=settings.database_connections,
        max_overflow=0,
    )
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    async with AIOKafkaProducer(**settings.kafka.connection(), acks="all") as producer:
        yield OrmDualWrite(sessions, producer, topics_of(settings.kafka).badge_awarded)
    await engine.dispose()


def _row(event: BadgeAwarded) -> AwardRow:
    return AwardRow(
        tenant_id=event.tenant_id,
        participant_id=event.participant_id,
        badge_id=event.badge_id,
        earned_at=event.earned_at,
        metadata_=event.metadata,
        request_id=event.request_id,
        source=event.source,
    )


if __name__ == "__main__":
    settings = PeerSettings()
    uvicorn.run(create_award_app(settings, open_awards), port=settings.port, access_log=False, log_level="warning")
