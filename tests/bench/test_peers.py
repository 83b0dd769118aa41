"""The peers are honest: each really awards once, and really publishes."""

import json
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import asyncpg
import httpx
import pytest

from builders import award_request, publish
from devstack.seed import DemoTenant
from messaging.topics import topics_of
from observers import read_topic
from processes import Installation, Service

StartPeer: TypeAlias = Callable[..., Awaitable[Service]]
AWARD = {"participant_id": "user_123", "badge_code": "power_user", "metadata": {"trigger": "10th_login"}}
PATH = "/api/v1/gamify/badges/award"


async def assert_one_award_one_event(badges: Installation, connection: asyncpg.Connection) -> None:
    (row,) = await connection.fetch("SELECT participant_id, source, metadata FROM awards")
    assert (row["participant_id"], row["source"]) == ("user_123", "/peer")
    (event,) = await read_topic(badges.kafka, topics_of(badges.kafka).badge_awarded, at_least=1, settle=1)
    told = json.loads(event.value)
    assert (told["participant_id"], told["badge_name"]) == ("user_123", "Power User")
    assert (row["metadata"] and json.loads(row["metadata"])) == told["metadata"]
    assert event.key == f"{told['tenant_id']}:user_123".encode()


@pytest.mark.parametrize("module", ["dual_write", "orm_dual_write"])
async def test_dual_writing_peer_awards_once_and_publishes_once(
    badges: Installation, demo: DemoTenant, connection: asyncpg.Connection, start_peer: StartPeer, module: str
) -> None:
    service = await start_peer(module)
    async with httpx.AsyncClient(base_url=service.url, headers={"X-API-Key": demo.live_key}) as client:
        first, second = [(await client.post(PATH, json=AWARD)).raise_for_status().json() for _ in range(2)]
        unknown = await client.post(PATH, json=AWARD | {"badge_code": "unknown"})
        stranger = await client.post(PATH, json=AWARD, headers={"X-API-Key": "bq_live_" + "0" * 32})
    assert (first["already_earned"], second["already_earned"]) == (False, True)
    assert first["earned_at"] == second["earned_at"]
    assert (unknown.status_code, stranger.status_code) == (404, 401)
    await assert_one_award_one_event(badges, connection)


async def test_one_by_one_peer_awards_once_and_publishes_once(
    badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    request = award_request(tenant_id=demo.id)
    await publish(badges.kafka, request, award_request(tenant_id=demo.id, badge_code="unknown"), request)
    words = ("-m", "faststream", "run", "--factory", "bench.peers.one_by_one:create_worker")
    badges._start("one_by_one", words, "PEER", {})
    await read_topic(badges.kafka, topics_of(badges.kafka).badge_awarded, at_least=1)
    await assert_one_award_one_event(badges, connection)


async def test_bare_list_answers_as_the_gateway_does(
    badges: Installation, demo: DemoTenant, connection: asyncpg.Connection, start_peer: StartPeer
) -> None:
    await connection.execute(
        "INSERT INTO awards (tenant_id, participant_id, badge_id, earned_at, request_id, source)"
        " SELECT tenant_id, 'user_123', id, now(), 'r', '/tests' FROM badges"
        " WHERE tenant_id = $1 AND code <> 'first_steps'",
        demo.id,
    )
    ours, bare = await badges.gateway().ready(), await start_peer("bare_list", tenant_id=demo.id)
    async with httpx.AsyncClient(headers={"X-API-Key": demo.live_key}) as client:
        for participant in ("user_123", "nobody"):
            path = f"/api/v1/gamify/participants/{participant}/badges"
            answers = [(await client.get(f"{one.url}{path}")).raise_for_status().json() for one in (ours, bare)]
            assert answers[0] == answers[1]


async def test_handler_that_does_nothing_answers_like_an_award(start_peer: StartPeer) -> None:
    service = await start_peer("no_op")
    async with httpx.AsyncClient(base_url=service.url) as client:
        answer = (await client.post(PATH, json=AWARD)).raise_for_status().json()
    assert answer["participant_id"] == "user_123"
