"""How far everything is behind at one moment, asked of Kafka and Postgres at once; either may be away."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from badgectl.failures import CommandError
from domain.errors import StorageError
from domain.times import utc_now
from messaging.group_offsets import open_client
from messaging.lag import PartitionLag, read_lag, read_watermark
from messaging.oldest_requests import oldest_timestamps
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from storage.database import Database
from storage.lag import RelayLag, find_relay_lag

KAFKA_SECONDS = 10
POSTGRES_SECONDS = 10

Asked = TypeVar("Asked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A server that did not answer, and what would stop a command that cannot go on without it."""

    server: str
    error: CommandError | StorageError | KafkaError


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionSample:
    """One partition of `award_requests`: its lag, and how it moved while it was watched."""

    lag: PartitionLag
    consumed_per_second: float
    produced_per_second: float
    oldest_at: datetime | None
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSample:
    """Every partition, and the relay's watermark as Kafka holds it (None: nothing yet)."""

    partitions: Sequence[PartitionSample]
    watermark: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LagSample:
    """One moment. What did not answer is None, and `failures` says why."""

    at: datetime
    kafka: KafkaSample | None
    relay: RelayLag | None
    failures: Sequence[Failure]


async def take_sample(kafka: KafkaSettings, database: Database, *, seconds: float) -> LagSample:
    """Ask both; Kafka's rates are measured over `seconds`. Never fails for what is away."""
    (requests, no_kafka), (relay, no_postgres) = await asyncio.gather(
        _or_failure("Kafka", lambda: _sample_kafka(kafka, seconds), KAFKA_SECONDS + seconds),
        _or_failure("Postgres", lambda: _sample_relay(database), POSTGRES_SECONDS),
    )
    failures = [failure for failure in (no_kafka, no_postgres) if failure is not None]
    return LagSample(at=utc_now(), kafka=requests, relay=relay, failures=failures)


async def _or_failure(
    server: str, ask: Callable[[], Awaitable[Asked]], seconds: float
) -> tuple[Asked | None, Failure | None]:
    try:
        async with asyncio.timeout(seconds):
            return await ask(), None
    except TimeoutError:
        late = CommandError(f"{server} did not answer within {seconds:g} s")
        return None, Failure(server=server, error=late)
    except (KafkaError, StorageError) as error:
        return None, Failure(server=server, error=error)


async def _sample_relay(database: Database) -> RelayLag:
    async with database.reading() as connection:
        return await find_relay_lag(connection)


async def _sample_kafka(kafka: KafkaSettings, seconds: float) -> KafkaSample:
    async with open_client(kafka) as client:
        before, began = await _timed_lags(client, kafka)
        await asyncio.sleep(seconds)
        lags, ended = await _timed_lags(client, kafka)
        watermark = await read_watermark(client, topics_of(kafka))
    oldest = await oldest_timestamps(kafka, lags)
    elapsed = ended - began
    pairs = zip(before, lags, strict=True)
    return KafkaSample(partitions=[_partition(old, new, elapsed, oldest) for old, new in pairs], watermark=watermark)


async def _timed_lags(client: AIOKafkaClient, kafka: KafkaSettings) -> tuple[Sequence[PartitionLag], float]:
    lags = await read_lag(client, topics_of(kafka))
    return lags, asyncio.get_running_loop().time()


def _partition(
    old: PartitionLag, new: PartitionLag, elapsed: float, oldest: Mapping[int, int | None]
) -> PartitionSample:
    timestamp = oldest.get(new.partition)
    # Readable offsets that turned out to hold no request are markers of transactions: nobody waits for them.
    is_empty = new.partition not in oldest
    return PartitionSample(
        lag=new,
        consumed_per_second=max(0, new.following - old.following) / elapsed,
        produced_per_second=max(0, new.end - old.end) / elapsed,
        oldest_at=None if timestamp is None else datetime.fromtimestamp(timestamp / 1000, UTC),
        waiting=new.held if is_empty else new.waiting,
    )
