"""A wrong deploy upstream: the worker stops before a topic has become dead letters."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition

from builders import award_request, publish
from devstack.seed import DemoTenant
from domain.awards import AwardRequest
from domain.badges import NewBadge
from messaging.settings import KafkaSettings
from observers import header, read_topic
from processes import Installation, Service
from storage.badges import create_badge
from storage.database import Database

CODE = "released_tomorrow"
BATCH = 20
LIMIT = 60
MOST_DEAD = LIMIT + 2 * BATCH
"""The brake is on once a batch is recorded; with two partitions one more may be on its way."""

SETTINGS = {"batch_size": str(BATCH), "brake_consecutive": str(LIMIT), "brake_window": str(10 * LIMIT)}


def wrong(demo: DemoTenant, count: int) -> Sequence[AwardRequest]:
    """Requests for a badge that nobody has defined yet."""
    return [
        award_request(tenant_id=demo.id, participant_id=f"user_{number}", badge_code=CODE) for number in range(count)
    ]


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    """Return when it holds."""
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.1)


async def rejected(connection: asyncpg.Connection) -> int:
    """How many requests are rejected."""
    return int(await connection.fetchval("SELECT count(*) FROM rejected_requests"))


async def awarded(connection: asyncpg.Connection) -> int:
    """How many are awarded."""
    return int(await connection.fetchval("SELECT count(*) FROM awards"))


async def brake_is_on(worker: Service) -> bool:
    """What the worker's readiness says."""
    async with httpx.AsyncClient(base_url=worker.url) as client:
        ready = await client.get("/readyz")
        assert (await client.get("/livez")).status_code == httpx.codes.OK
    return ready.status_code == httpx.codes.SERVICE_UNAVAILABLE and ready.json()["checks"]["brake"] == "failing"


@pytest.fixture
async def braked(
    badges: Installation, kafka: KafkaSettings, demo: DemoTenant, connection: asyncpg.Connection
) -> Service:
    """A worker that the first of 600 wrong requests have stopped."""
    worker = await badges.worker(**SETTINGS).ready()
    await publish(kafka, *wrong(demo, 600), partition=0)
    await until(lambda: brake_is_on(worker))
    assert LIMIT <= await rejected(connection) <= MOST_DEAD
    return worker


async def test_braked_worker_goes_on_by_itself_once_the_cause_is_mended(
    braked: Service, kafka: KafkaSettings, demo: DemoTenant, database: Database, connection: asyncpg.Connection
) -> None:
    await asyncio.sleep(3)  # at least one probe
    dead = await rejected(connection)
    assert dead <= MOST_DEAD
    assert await awarded(connection) == 0
    async with httpx.AsyncClient(base_url=braked.url) as client:
        assert "badges_worker_brake_is_on 1.0" in (await client.get("/metrics")).text
    async with database.transaction() as session:
        new = NewBadge(code=CODE, name="Tomorrow")
        await create_badge(session, badge_id=uuid4(), tenant_id=UUID(demo.id), badge=new)

    async def all_decided() -> bool:
        return await awarded(connection) == 600 - dead

    await until(all_decided)
    assert await rejected(connection) == dead
    assert not await brake_is_on(braked)
    letters = await read_topic(kafka, f"{kafka.prefix}award_requests_dlq", at_least=dead, settle=0.5)
    assert [header(letter, "dlq_reason") for letter in letters] == ["badge_not_found"] * dead


async def test_operators_can_have_everything_decided_all_the_same(
    braked: Service, badges: Installation, connection: asyncpg.Connection
) -> None:
    resume = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "badgectl", "worker", "resume", "--yes"),
        env={"BADGES_DATABASE_URL": badges.database_url, "PATH": ""},
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await resume.communicate()
    assert (resume.returncode, told) == (0, b"The brake is off for 5 min.\n")

    async def all_decided() -> bool:
        return await rejected(connection) == 600

    await until(all_decided)
    assert not await brake_is_on(braked)


async def test_brake_is_off_before_kafka_deletes_good_requests_unread(
    braked: Service, kafka: KafkaSettings, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    await publish(kafka, *[award_request(tenant_id=demo.id, participant_id=f"g_{n}") for n in range(5)], partition=0)
    admin = AIOKafkaAdminClient(**kafka.connection())
    await admin.start()
    cut = TopicPartition(f"{kafka.prefix}award_requests", 0)
    await admin.delete_records(
        {cut: RecordsToDelete(before_offset=await rejected(connection) - 1)}
    )  # as retention does
    await admin.close()

    async def all_decided() -> bool:
        return await awarded(connection) == 5

    await until(all_decided)
    assert await rejected(connection) == 600
    assert "brake.overrun" in braked.tail()


async def test_held_requests_are_not_lost_when_the_worker_ends_or_another_joins(
    braked: Service,
    badges: Installation,
    kafka: KafkaSettings,
    demo: DemoTenant,
    database: Database,
    connection: asyncpg.Connection,
) -> None:
    dead = await rejected(connection)
    other = badges.worker(**SETTINGS)

    async def consumes() -> bool:  # it need not be ready: what it is given may put its brake on at once
        return "worker.consumes" in other.tail()

    await until(consumes)
    await publish(kafka, *[award_request(tenant_id=demo.id, participant_id=f"good_{n}") for n in range(50)])
    braked.send(signal.SIGTERM)
    braked.wait()
    async with database.transaction() as session:
        new = NewBadge(code=CODE, name="Tomorrow")
        await create_badge(session, badge_id=uuid4(), tenant_id=UUID(demo.id), badge=new)

    async def all_decided() -> bool:
        return await awarded(connection) + await rejected(connection) == 650

    await until(all_decided, seconds=90)
    assert await rejected(connection) <= dead + MOST_DEAD
    assert await awarded(connection) >= 50
