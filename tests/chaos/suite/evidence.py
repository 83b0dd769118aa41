"""What there is when all has settled, as it is read: rows of Postgres, records of topics."""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from aiokafka import ConsumerRecord

from chaos.suite.ledger import Headers
from messaging.settings import KafkaSettings
from messaging.topic_scan import open_scan

ROWS_AT_ONCE = 5_000

_AWARDS = """
    SELECT a.participant_id, b.code, a.earned_at, a.metadata, a.request_id, a.source, a.partition, a."offset"
    FROM awards AS a JOIN badges AS b ON b.id = a.badge_id
    WHERE a.tenant_id = $1
"""
_REJECTIONS = 'SELECT partition, "offset", timestamp_ms, reason FROM rejected_requests'


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record of a topic."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    def texts(self) -> Mapping[str, str]:
        """The headers that are text."""
        return {name: (value or b"").decode(errors="replace") for name, value in self.headers}


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardRow:
    """A row of `awards`; `metadata` is JSON text."""

    participant_id: str
    code: str
    earned_at: datetime
    metadata: str | None
    request_id: str
    source: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionRow:
    """A row of `rejected_requests`."""

    partition: int
    offset: int
    timestamp_ms: int
    reason: str


async def read_records(kafka: KafkaSettings, topic: str) -> AsyncIterator[Record]:
    """Yield what a read_committed reader sees from the beginning to the end of now, in order by partition.

    Raises:
        TopicHeldBackError: an open transaction keeps the reader from the end.
    """
    async with open_scan(kafka, topic) as scan, aclosing(scan.records()) as batches:
        async for batch in batches:
            for record in batch:
                yield _record(record)


async def read_awards(database_url: str, tenant_id: str) -> AsyncIterator[AwardRow]:
    """Yield every award of the tenant."""
    async for row in _rows(database_url, _AWARDS, tenant_id):
        yield AwardRow(**row)


async def read_rejections(database_url: str) -> AsyncIterator[RejectionRow]:
    """Yield every rejected request."""
    async for row in _rows(database_url, _REJECTIONS):
        yield RejectionRow(**row)


async def _rows(database_url: str, query: str, *arguments: object) -> AsyncIterator[asyncpg.Record]:
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            async for row in connection.cursor(query, *arguments, prefetch=ROWS_AT_ONCE):
                yield row
    finally:
        await connection.close()


def _record(record: ConsumerRecord) -> Record:
    return Record(
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
    )
