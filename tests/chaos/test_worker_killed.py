"""A worker dies at the worst moments: one award, one event, one answer all the same."""

import asyncio

import asyncpg
import httpx
import pytest

from builders import award_request, publish
from devstack.seed import DemoTenant
from messaging.topics import topics_of
from observers import header, read_topic
from processes import Installation

AWARD = {"participant_id": "user_123", "badge_code": "power_user", "metadata": {"trigger": "10th_login"}}
RETRY_SECONDS = 45


async def award_until_answered(url: str, key: str) -> httpx.Response:
    """What a caller does who heeds 503 and Retry-After."""
    async with httpx.AsyncClient(timeout=10) as client, asyncio.timeout(RETRY_SECONDS):
        while True:
            answer = await client.post(f"{url}/api/v1/gamify/badges/award", json=AWARD, headers={"X-API-Key": key})
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                return answer
            await asyncio.sleep(int(answer.headers["Retry-After"]))


@pytest.mark.parametrize(
    "fault", ["before_commit", "after_commit", "before_transaction", "inside_transaction", "after_transaction"]
)
async def test_worker_killed_once_leaves_one_award_one_event_one_answer(
    fault: str, badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    gateway = await badges.gateway().ready()
    doomed = await badges.faulty_worker(fault).ready()
    answering = asyncio.create_task(award_until_answered(gateway.url, demo.live_key))
    assert await asyncio.to_thread(doomed.wait) == -9
    await badges.worker().ready()
    answer = await answering
    assert answer.status_code == httpx.codes.OK, answer.text
    events = await read_topic(badges.kafka, topics_of(badges.kafka).badge_awarded, at_least=1, settle=2)
    awards = await connection.fetch("SELECT earned_at FROM awards")
    assert len(awards) == 1
    assert len(events) == 1
    assert header(events[0], "ce_subject") == "user_123"
    assert await connection.fetchval("SELECT count(*) FROM outbox") == 0


async def test_read_that_fails_for_one_partition_loses_nothing_of_the_others(
    badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    requests = [award_request(tenant_id=demo.id, participant_id=f"user_{number}") for number in range(3000)]
    await publish(badges.kafka, *requests)
    doomed = badges.faulty_worker("lost_read")
    assert await asyncio.to_thread(doomed.wait) == 1
    assert "read.failed" in doomed.tail()
    done = await connection.fetchval("SELECT count(*) FROM awards")
    assert 0 < done < len(requests)
    await badges.worker().ready()
    events = await read_topic(badges.kafka, topics_of(badges.kafka).badge_awarded, at_least=len(requests), settle=1)
    assert len({header(event, "ce_subject") for event in events}) == len(events) == len(requests)


async def test_events_of_the_open_transaction_were_on_the_topic_and_are_not_seen(
    badges: Installation, demo: DemoTenant
) -> None:
    await publish(badges.kafka, award_request(tenant_id=demo.id))
    doomed = badges.faulty_worker("inside_transaction")
    assert await asyncio.to_thread(doomed.wait) == -9
    await badges.worker().ready()
    topic = topics_of(badges.kafka).badge_awarded
    assert len(await read_topic(badges.kafka, topic, at_least=1, settle=1)) == 1
    assert len(await read_topic(badges.kafka, topic, at_least=2, uncommitted=True)) == 2
