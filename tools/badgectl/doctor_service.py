"""The service at work: its gateways and workers, the relay, and whether Kafka and Postgres belong together."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence

import httpx
from aiokafka.client import AIOKafkaClient

from badgectl.doctor_findings import Check, Finding, failure, fine, warning
from badgectl.lag_text import holder_text
from badgectl.right_cluster import check_cluster
from devstack.readyz import failing_checks
from messaging.kafka_facts import count_members
from messaging.lag import PartitionLag, read_lag, read_watermark
from messaging.settings import KafkaSettings
from messaging.topics import Topics, topics_of
from storage.database import Database
from storage.lag import RelayLag, find_relay_lag

LATE_SECONDS = 30
ANSWER_SECONDS = 5

_RUNBOOK = "docs/runbook.md"


def worker_checks(client: AIOKafkaClient, topics: Topics) -> Sequence[Check]:
    """Return what Kafka tells of the workers."""

    async def look_at_workers() -> Sequence[Finding]:
        members = await count_members(client, topics.worker_group)
        return [*judge_workers(members, await read_lag(client, topics))]

    return [Check(name="workers", look=look_at_workers)]


def relay_checks(database: Database) -> Sequence[Check]:
    """Return what Postgres tells of the relay."""

    async def look_at_relay() -> Sequence[Finding]:
        async with database.reading() as connection:
            return [judge_relay(await find_relay_lag(connection))]

    return [Check(name="relay", look=look_at_relay)]


def installation_checks(client: AIOKafkaClient, kafka: KafkaSettings, database: Database) -> Sequence[Check]:
    """Return what Kafka and Postgres have to agree on."""

    async def look_at_cluster() -> Sequence[Finding]:
        await check_cluster(kafka, database)
        return [fine("this Kafka and this database are of one installation, or no worker has run yet")]

    async def find_relay() -> RelayLag:
        async with database.reading() as connection:
            return await find_relay_lag(connection)

    async def compare() -> Sequence[Finding]:
        return await look_at_watermark(find_relay, lambda: read_watermark(client, topics_of(kafka)))

    return [Check(name="cluster", look=look_at_cluster), Check(name="watermark", look=compare)]


async def look_at_watermark(
    find_relay: Callable[[], Awaitable[RelayLag]], read: Callable[[], Awaitable[int | None]]
) -> Sequence[Finding]:
    """Compare the watermark in Kafka with Postgres before and after it, while the relay may move all of them."""
    before = await find_relay()
    watermark = await read()
    return [judge_watermark(watermark, before=before, after=await find_relay())]


async def look_at_processes(urls: Sequence[str]) -> Sequence[Finding]:
    """Ask each process whether it is ready."""
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False) as client:
        return await asyncio.gather(*(_look_at_process(client, url) for url in urls))


def judge_workers(members: int, lags: Sequence[PartitionLag]) -> Iterator[Finding]:
    """Judge whether somebody reads, and whether all could be read."""
    waiting, lost, held = (sum(getattr(lag, name) for lag in lags) for name in ("waiting", "lost", "held"))
    if not members and waiting:
        yield failure(f"none runs, and {waiting:,} requests wait", "start a worker; is one restarting again and again?")
    elif not members:
        yield warning("none runs; no request waits", "start a worker")
    else:
        yield fine(f"{members} at work, {waiting:,} requests wait")
    if lost:
        yield failure(
            f"{lost:,} requests were deleted before they were read: nobody has an answer to them",
            "have their senders ask again, and give award_requests more room (retention.bytes)",
        )
    if held:
        yield warning(
            f"{held:,} requests stand behind an open transaction of their producer",
            "end that producer's transaction, or wait for its timeout",
        )


def judge_relay(relay: RelayLag) -> Finding:
    """Judge whether events leave the outbox."""
    oldest, holder = relay.outbox.oldest_seconds or 0, relay.holder
    waits = f"{relay.outbox.messages:,} events wait in the outbox, the oldest for {oldest:.0f} s"
    if oldest > LATE_SECONDS:
        remedy = f'{_RUNBOOK}, "`badges_outbox_oldest_seconds` grows"'
        return failure(waits if holder else f"no relay leads; {waits}", remedy)
    if holder is None:
        return warning("no relay leads", "start a worker: the relay is a part of it")
    return fine(f"{holder_text(holder)} leads; {waits}")


def judge_watermark(watermark: int | None, *, before: RelayLag, after: RelayLag) -> Finding:
    """Judge whether what Kafka held as published between two looks at Postgres can be true.

    A relay at work gives a number first, moves Kafka's watermark next and the mirror last: Kafka is not behind the
    earlier mirror, nor above the later highest number.
    """
    mirror, highest = before.mirror.watermark, after.mirror.highest
    told = f"Kafka {'none' if watermark is None else watermark}, Postgres {mirror}, highest number given {highest}"
    if watermark is not None and watermark > highest:
        return failure(
            f"{told}: the database is an older one", f'{_RUNBOOK}, "The watermark is above the highest number"'
        )
    if (watermark or 0) < mirror:
        said = f"{told}: Kafka has lost the relay's offsets, or is another cluster"
        remedy = f'{_RUNBOOK}, "The watermark is below the mirror"; without claimed rows the next relay mends it'
        return failure(said, remedy) if after.outbox.claimed_batches else warning(said, remedy)
    return fine(told)


async def _look_at_process(client: httpx.AsyncClient, url: str) -> Finding:
    try:
        failing = await failing_checks(client, url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        return failure(f"{url} does not answer: {reason}", "is it up, and is the URL right?")
    if failing:
        return failure(f"{url} is not ready: {', '.join(failing)}", f"{_RUNBOOK}; its log says more")
    return fine(f"{url} is ready")
