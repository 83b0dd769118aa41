"""Kafka and Postgres are killed and come back while requests flow: nothing is lost or repeated."""

import asyncio

import asyncpg
import pytest

from builders import award_request, publish
from devstack.seed import DemoTenant
from domain.awards import AwardRequest
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from observers import read_topic
from processes import Installation
from servers import KafkaProcess, PostgresProcess

WAVES = 8
WAVE = 250
WAVE_SECONDS = 1.0


@pytest.mark.timeout(240)
async def test_crashes_of_broker_database_and_workers_lose_and_repeat_nothing(
    own_servers: tuple[PostgresProcess, KafkaProcess], own_badges: Installation, own_demo: DemoTenant
) -> None:
    postgres, broker = own_servers
    kafka = own_badges.kafka
    requests = [
        award_request(tenant_id=own_demo.id, participant_id=f"user_{number // 2}") for number in range(WAVES * WAVE)
    ]
    workers = [await own_badges.worker().ready(), await own_badges.worker().ready()]
    publishing = asyncio.create_task(publish_in_waves(kafka, requests))
    for kill, start in (
        (workers[0].kill, workers[0].start),
        (broker.kill, broker.start),
        (postgres.kill, postgres.start),
        (workers[1].kill, workers[1].start),
    ):
        await asyncio.sleep(1.5)
        await asyncio.to_thread(kill)
        await asyncio.to_thread(start)
    await publishing
    expected = len(requests) // 2
    events = await read_topic(kafka, topics_of(kafka).badge_awarded, at_least=expected, seconds=90, settle=3)
    subjects = {record.key for record in events}
    assert (len(events), len(subjects)) == (expected, expected), logs(own_badges)
    bare = await asyncpg.connect(postgres.database_url)
    assert await bare.fetchval("SELECT count(*) FROM awards") == expected
    assert await bare.fetchval("SELECT count(*) FROM outbox") == 0
    await bare.close()


async def publish_in_waves(kafka: KafkaSettings, requests: list[AwardRequest]) -> None:
    """Publish a wave a second; what Kafka does not acknowledge is published again."""
    for first in range(0, len(requests), WAVE):
        while True:
            try:
                await publish(kafka, *requests[first : first + WAVE])
            except Exception:  # noqa: BLE001 - the broker is down: whatever it says, try again
                await asyncio.sleep(0.5)
            else:
                break
        await asyncio.sleep(WAVE_SECONDS)


def logs(badges: Installation) -> str:
    return "\n".join(service.tail() for service in badges.services)
