"""Everybody works with exactly the rights that `deploy/` grants, on Kafka and in Postgres; one less, and it shows."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer

import database_roles
from award_api import AWARD, assert_problem, body
from builders import award_request, publish
from devstack.seed import DemoTenant, seed_demo_tenant
from domain.awards import ReplyAddress
from kafka_rights import grant, granted_rights
from messaging.award_requested import encode_request
from messaging.clients import create_producer, stop_producer
from messaging.settings import KafkaSettings
from messaging.topics import create_topics, topics_of
from operator_commands import badgectl
from processes import Installation, installation
from secure_broker import API, DOWNSTREAM, OPERATOR, UPSTREAM, WORKER, SecureBroker
from shared import GAMIFY

pytestmark = pytest.mark.timeout(240)

OLD_REJECTION = """
    INSERT INTO rejected_requests (topic, partition, "offset", timestamp_ms, reason, detail, rejected_at)
    VALUES ('old', 0, 0, 0, 'malformed_json', '', now() - interval '1 year')
"""
LOST_AWARD = """
    INSERT INTO awards (tenant_id, participant_id, badge_id, earned_at, request_id, source)
    SELECT tenant_id, 'user_lost', id, now(), 'r', '/tests' FROM badges WHERE tenant_id = $1 AND code = 'power_user'
"""
# What has to be granted, and what tells that it was not.
NEEDED = [
    (API, "Write topic award_requests", "TopicAuthorizationFailedError('{}award_requests')"),
    (API, "Read topic award_outcomes", "TopicAuthorizationFailedError('{}award_outcomes')"),
    (WORKER, "Read topic award_requests", "TopicAuthorizationFailedError: {}award_requests"),
    (WORKER, "Read group badges-award-worker", "GroupAuthorizationFailedError: {}badges-award-worker"),
    (WORKER, "Write topic award_outcomes", "TopicAuthorizationFailedError('{}award_outcomes')"),
    (WORKER, "Write topic badge_awarded", "TopicAuthorizationFailedError('{}badge_awarded')"),
    (WORKER, "Write topic award_requests_dlq", "TopicAuthorizationFailedError('{}award_requests_dlq')"),
    (WORKER, "Read topic badges_relay_marker", "TopicAuthorizationFailedError"),
    (WORKER, "Read group badges-relay", "GroupAuthorizationFailedError('{}badges-relay')"),
    (WORKER, "Write transactional-id badges-relay", "TransactionalIdAuthorizationFailed('{}badges-relay')"),
]
_numbers = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Everybody:
    """One installation, as each of those who work on it sees it."""

    gateways: Installation
    workers: Installation
    operator: Installation
    prefix: str
    broker: SecureBroker


@asynccontextmanager
async def everybody(
    broker: SecureBroker, urls: Mapping[str, str], folder: Path, *, prefix: str
) -> AsyncIterator[Everybody]:
    """Lend it; each has its own user of Kafka and its own role of the database."""
    async with AsyncExitStack() as stack:
        places = []
        for user, role in (
            (API, database_roles.API),
            (WORKER, database_roles.WORKER),
            (OPERATOR, database_roles.OPERATOR),
        ):
            own = folder / user
            own.mkdir()
            place = installation(urls[role], broker.user(user, prefix), own)
            places.append(await stack.enter_async_context(place))
        gateways, workers, operator = places
        yield Everybody(gateways=gateways, workers=workers, operator=operator, prefix=prefix, broker=broker)


async def run(everyone: Everybody, *arguments: str) -> str:
    """Run `badgectl` as the operator; it must succeed."""
    told = await badgectl(everyone.operator, *arguments)
    assert told.code == 0, (arguments, told.out, told.err)
    return told.out


async def call_everything(url: str, demo: DemoTenant) -> None:
    """Make every kind of call to the gateway."""
    admin, awarding = {"X-API-Key": demo.live_admin_key}, {"X-API-Key": demo.live_key}
    async with httpx.AsyncClient(base_url=f"{url}{GAMIFY}", timeout=15) as client:

        async def ask(method: str, path: str, headers: Mapping[str, str], content: object = None) -> httpx.Response:
            answer = await client.request(method, path, headers=headers, json=content)
            assert answer.is_success, answer.text
            return answer

        badge = (await ask("POST", "/admin/badges", admin, {"code": f"b{uuid4().hex}", "name": "B"})).json()
        await ask("PATCH", f"/admin/badges/{badge['id']}", admin, {"name": "C", "is_hidden": True, "rarity": "epic"})
        await ask("GET", "/admin/badges", admin)
        await ask("GET", f"/admin/badges/{badge['id']}", admin)
        request = {"participant_id": "user_1", "badge_code": badge["code"]}
        assert (await ask("POST", AWARD, awarding, request)).json()["already_earned"] is False
        assert (await ask("POST", AWARD, awarding, request)).json()["already_earned"] is True
        await ask("GET", "/participants/user_1/badges", awarding)
        for participant in ("user_1", "user_2"):
            await ask("GET", f"/admin/participants/{participant}/badges/{badge['code']}/explain", admin)
        await ask("DELETE", f"/admin/badges/{badge['id']}", admin)


async def operate(everyone: Everybody, demo: DemoTenant, superuser: asyncpg.Connection, folder: Path) -> None:
    """Run every command that works on Kafka or the database, but for `migrate`."""
    file = folder / "history.ndjson"
    file.write_text(json.dumps({"participant_id": "user_9", "badge_code": "ancient"}) + "\n")
    slug = f"tenant-{uuid4().hex[:8]}"
    await run(everyone, "tenants", "create", slug)
    key = json.loads(await run(everyone, "keys", "create", slug, "--name", "k", "--json"))
    await run(everyone, "keys", "list", slug)
    await run(everyone, "keys", "revoke", key["id"])
    await run(everyone, "tenants", "disable", slug)
    await run(everyone, "tenants", "list")
    await run(everyone, "events")
    await run(everyone, "lag")
    await run(everyone, "explain", "user_1", "power_user", "--tenant", demo.id)
    await run(everyone, "dlq", "list")
    await run(everyone, "dlq", "redrive", "--yes")
    await run(everyone, "import", str(file), "--create-badges", "--tenant", demo.id, "--dry-run")
    await run(everyone, "import", str(file), "--create-badges", "--tenant", demo.id)
    await run(everyone, "replay", "--yes")
    await superuser.execute(LOST_AWARD, UUID(demo.id))
    await run(everyone, "verify", "--repair", "--yes")
    await run(everyone, "worker", "resume", "--yes")
    doctor = await badgectl(everyone.operator, "doctor")
    assert "uthoriz" not in doctor.out + doctor.err
    assert "ermission" not in doctor.out + doctor.err


async def test_everybody_works_with_exactly_their_rights(
    broker: SecureBroker,
    urls: Mapping[str, str],
    superuser_url: str,
    superuser: asyncpg.Connection,
    tmp_path: Path,
) -> None:
    prefix = f"r{next(_numbers)}_"
    await grant(broker.superuser(), granted_rights(tmp_path, prefix=prefix))
    demo = await seed_demo_tenant(superuser_url, None)
    await superuser.execute(OLD_REJECTION)
    async with everybody(broker, urls, tmp_path, prefix=prefix) as everyone:
        await run(everyone, "topics")
        gateway, worker = everyone.gateways.gateway(), everyone.workers.worker()
        await gateway.ready()
        await worker.ready()
        await call_everything(gateway.url, demo)
        upstream = broker.user(UPSTREAM, prefix)
        await publish(upstream, award_request(tenant_id=demo.id, badge_code="power_user"))
        await publish(upstream, award_request(tenant_id=demo.id, badge_code="unknown"))
        heard = await hear(broker, prefix, 2)
        assert {event["badge_code"] for event in heard} > {"power_user"}
        await operate(everyone, demo, superuser, tmp_path)
        for service in (gateway, worker):
            service.stop()
            said = service.log.read_text()
            assert "uthoriz" not in said
            assert "ermission" not in said
    assert await superuser.fetchval("SELECT count(last_used_at) FROM api_keys") == 2
    assert await superuser.fetchval("SELECT count(*) FROM rejected_requests WHERE topic = 'old'") == 0


async def hear(broker: SecureBroker, prefix: str, least: int) -> Sequence[Mapping[str, str]]:
    """Read so many events, or more, as a service downstream does: in a group of its own."""
    kafka = broker.user(DOWNSTREAM, prefix)
    consumer = AIOKafkaConsumer(
        topics_of(kafka).badge_awarded,
        **kafka.connection(),
        group_id="downstream",
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        events = [json.loads((await consumer.getone()).value) for _ in range(least)]
        await consumer.commit()
    finally:
        await consumer.stop()
    return events


@pytest.mark.parametrize(("user", "right", "sign"), NEEDED, ids=[f"{user}-{right}" for user, right, _ in NEEDED])
async def test_right_that_is_missing_is_named(
    broker: SecureBroker,
    database_url: str,
    demo: DemoTenant,
    tmp_path: Path,
    user: str,
    right: str,
    sign: str,
) -> None:
    prefix = f"r{next(_numbers)}_"
    kind, name = right.rsplit(" ", 1)
    missing = f"{kind} {prefix}{name}"
    granted = [one for one in granted_rights(tmp_path, prefix=prefix) if (one.user, str(one)) != (user, missing)]
    await create_topics(broker.superuser(prefix), partitions=2)
    await grant(broker.superuser(), granted)
    async with installation(database_url, broker.user(user, prefix), tmp_path) as place:
        if user == API:
            service = place.gateway()
            await ask_the_gateway(service.url, demo)
        else:
            service = place.worker()
            await ask_on_the_bus(broker.superuser(prefix), demo)
        await service.says(sign.format(prefix))


async def ask_the_gateway(url: str, demo: DemoTenant) -> None:
    """Ask for an award as soon as the gateway listens; it cannot be given."""
    transport = httpx.AsyncHTTPTransport(retries=8)  # with growing pauses, half a minute together
    async with httpx.AsyncClient(transport=transport, headers={"X-API-Key": demo.live_key}, timeout=15) as client:
        answer = await client.post(f"{url}{GAMIFY}{AWARD}", json=body())
    assert_problem(answer, 503, "unavailable")


async def ask_on_the_bus(kafka: KafkaSettings, demo: DemoTenant) -> None:
    """Ask for an award, and for one that cannot be; both want to be answered."""
    producer = create_producer(kafka)
    await producer.start()
    for request in (award_request(tenant_id=demo.id), award_request(tenant_id=demo.id, badge_code="unknown")):
        address = ReplyAddress(partition=0, request_id=request.request_id)
        key, value, headers = encode_request(request, address)
        await producer.send_and_wait(topics_of(kafka).award_requests, value, key=key, headers=headers)
    await stop_producer(producer)


def test_every_right_of_the_services_is_needed(tmp_path: Path) -> None:
    granted = {(right.user, str(right)) for right in granted_rights(tmp_path) if right.user in {API, WORKER}}
    assert granted == {(user, right) for user, right, _ in NEEDED}
