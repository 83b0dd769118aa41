"""Requests for one award, however often and wherever they come in, lead to one award and one event."""

from datetime import timedelta

import asyncpg
import httpx

from builders import NOON, award_request, publish
from devstack.seed import DemoTenant
from messaging.topics import topics_of
from observers import read_topic
from processes import Installation

AWARD = "/api/v1/gamify/badges/award"


async def test_first_of_many_requests_in_one_batch_decides(
    badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    requests = [award_request(tenant_id=demo.id, earned_at=NOON + timedelta(hours=1 - n)) for n in range(50)]
    await publish(badges.kafka, *requests)
    await badges.worker().ready()
    await read_topic(badges.kafka, topics_of(badges.kafka).badge_awarded, at_least=1)
    assert await connection.fetchval("SELECT earned_at FROM awards") == NOON + timedelta(hours=1)
    await assert_one_award_one_event(badges, connection)


async def test_repeats_in_later_batches_change_nothing(
    worker: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    for number in range(5):
        await publish(worker.kafka, award_request(tenant_id=demo.id, earned_at=NOON - timedelta(days=number)))
        await read_topic(worker.kafka, topics_of(worker.kafka).badge_awarded, at_least=1)
    assert await connection.fetchval("SELECT earned_at FROM awards") == NOON
    await assert_one_award_one_event(worker, connection)


async def test_record_published_twice_by_its_producer_is_one_request(
    badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    request = award_request(tenant_id=demo.id)
    await publish(badges.kafka, request, request)
    await badges.worker().ready()
    await read_topic(badges.kafka, topics_of(badges.kafka).badge_awarded, at_least=1)
    await assert_one_award_one_event(badges, connection)


async def test_two_producers_with_different_partitioning_and_two_workers_make_one_award(
    badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    await badges.worker().ready()
    await badges.worker().ready()
    participants = [f"user_{number}" for number in range(100)]
    for partition in range(4):
        requests = [award_request(tenant_id=demo.id, participant_id=participant) for participant in participants]
        await publish(badges.kafka, *requests, partition=partition)
    events = await read_topic(badges.kafka, topics_of(badges.kafka).badge_awarded, at_least=100, settle=3)
    assert len(events) == 100
    assert await connection.fetchval("SELECT count(*) FROM awards") == 100


async def test_two_gateways_and_two_workers_tell_each_caller_the_truth(
    badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    gateways = [badges.gateway(awards_per_minute="1000"), badges.gateway(awards_per_minute="1000")]
    workers = [badges.worker(), badges.worker()]
    for service in (*gateways, *workers):
        await service.ready()
    answers = []
    async with httpx.AsyncClient(timeout=10, headers={"X-API-Key": demo.live_key}) as client:
        for number in range(60):
            url = f"{gateways[number % 2].url}{AWARD}"
            body = {"participant_id": f"user_{number % 20}", "badge_code": "power_user"}
            answers.append((await client.post(url, json=body)).raise_for_status().json())
    assert [answer["already_earned"] for answer in answers] == [False] * 20 + [True] * 40
    for number, answer in enumerate(answers):
        assert answer["earned_at"] == answers[number % 20]["earned_at"]
    events = await read_topic(badges.kafka, topics_of(badges.kafka).badge_awarded, at_least=20, settle=1)
    assert len(events) == 20
    assert await connection.fetchval("SELECT count(*) FROM awards") == 20


async def test_repeat_of_a_call_is_answered_from_postgres_and_tells_of_the_badge_as_it_is(
    worker: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    gateway = await worker.gateway().ready()
    body = {"participant_id": "user_123", "badge_code": "power_user"}
    headers = {"X-API-Key": demo.live_key}
    async with httpx.AsyncClient(base_url=gateway.url, timeout=10, headers=headers) as client:
        first = (await client.post(AWARD, json=body)).raise_for_status().json()
        worker.services[0].stop()
        await connection.execute("UPDATE badges SET name = 'Renamed' WHERE code = 'power_user'")
        again = (await client.post(AWARD, json=body)).raise_for_status().json()
        assert again == first | {"already_earned": True, "badge_name": "Renamed"}
        await worker.worker().ready()
        await connection.execute("UPDATE badges SET is_active = false WHERE code = 'power_user'")
        assert (await client.post(AWARD, json=body)).status_code == 404
    await assert_one_award_one_event(worker, connection)


async def assert_one_award_one_event(badges: Installation, connection: asyncpg.Connection) -> None:
    events = await read_topic(badges.kafka, topics_of(badges.kafka).badge_awarded, at_least=1, settle=2)
    assert len(events) == 1
    assert await connection.fetchval("SELECT count(*) FROM awards") == 1
