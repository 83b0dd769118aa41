"""`badgectl explain`: what the gateway answers, and what only operators can ask."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx

from builders import award_request, publish
from devstack.seed import DemoTenant
from domain.tenants import Environment
from messaging.award_requested import request_key
from messaging.outbox_payload import hash_of_key
from operator_commands import badgectl
from processes import Installation
from rejected_records import TYPED, put
from shared import make_tenant
from storage.database import Database
from storage.outbox import LOCK_KEY

PARTITIONS = 4


async def told(place: Installation, *arguments: str, **environment: str) -> Mapping[str, Any]:
    """What `explain --json` prints."""
    done = await badgectl(place, "explain", *arguments, "--json", environment=environment)
    assert done.code == 0, done.err
    answer: Mapping[str, Any] = json.loads(done.out)
    return answer


async def until(connection: asyncpg.Connection, query: str) -> None:
    """Return when the query yields something."""
    async with asyncio.timeout(30):
        while not await connection.fetchval(query):
            await asyncio.sleep(0.05)


async def test_event_that_waits_for_a_relay_is_told(
    badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)  # no relay can lead
    await badges.worker().ready()
    await publish(badges.kafka, *(award_request(tenant_id=demo.id, participant_id=f"u{n}") for n in range(3)))
    await until(connection, "SELECT count(*) = 3 FROM awards")
    for n in range(3):
        answer = await told(badges, f"u{n}", "power_user", "--tenant", demo.id)
        assert (answer["award"]["event"], answer["award"]["came_over"]) == ("waiting", "kafka")
        assert any(said.startswith("Its event waits in the outbox") for said in answer["notes"])
    assert "waits in the outbox" in (await badgectl(badges, "explain", "u0", "power_user", "--tenant", demo.id)).out

    await connection.execute("SELECT pg_advisory_unlock($1)", LOCK_KEY)
    await until(connection, "SELECT NOT EXISTS (SELECT FROM outbox)")
    for n in range(3):
        assert (await told(badges, f"u{n}", "power_user", "--tenant", demo.id))["award"]["event"] == "emitted"


async def test_event_that_a_relay_has_claimed_is_told(
    badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    await publish(badges.kafka, award_request(tenant_id=demo.id, participant_id="u"))
    badges.faulty_worker("before_transaction").wait()
    answer = await told(badges, "u", "power_user", "--tenant", demo.id)
    assert answer["award"]["event"] == "being_published"
    assert any(said.startswith("Its event is claimed by the relay") for said in answer["notes"])
    await badges.worker().ready()
    await until(connection, "SELECT NOT EXISTS (SELECT FROM outbox)")
    assert (await told(badges, "u", "power_user", "--tenant", demo.id))["award"]["event"] == "emitted"


async def test_request_that_still_waits_in_the_log_is_counted(badges: Installation, demo: DemoTenant) -> None:
    await publish(badges.kafka, *(award_request(tenant_id=demo.id, participant_id="queued") for _ in range(3)))
    answer = await told(badges, "queued", "power_user", "--tenant", "demo")
    assert answer["status"] == "never_seen"
    assert (answer["waiting"]["total"], answer["waiting"]["in_partition"], answer["waiting"]["of_participant"]) == (
        3,
    ) * 3
    hashes = {f"u{n}": hash_of_key(request_key(UUID(demo.id), f"u{n}")) for n in range(40)}
    elsewhere = next(u for u, hashed in hashes.items() if hashed % PARTITIONS != answer["waiting"]["partition"])
    other = await told(badges, elsewhere, "power_user", "--tenant", "demo")
    assert (other["waiting"]["total"], other["waiting"]["in_partition"], other["waiting"]["of_participant"]) == (
        3,
        0,
        0,
    )
    text = (await badgectl(badges, "explain", "queued", "power_user", "--tenant", "demo")).out
    assert "Requests of the participant that wait in the log: 3." in " ".join(text.split())


async def test_requests_of_others_in_the_same_partition_are_not_the_participants(
    badges: Installation, demo: DemoTenant
) -> None:
    own = award_request(tenant_id=demo.id, participant_id="queued")
    of_other_tenant = award_request(tenant_id=demo.test_id, participant_id="queued")
    partition = hash_of_key(request_key(UUID(demo.id), "queued")) % PARTITIONS
    await publish(badges.kafka, *[of_other_tenant] * 4, own, own, of_other_tenant, partition=partition)
    await put(badges.kafka, {"key": None, "value": b"x", "headers": TYPED})
    waiting = (await told(badges, "queued", "power_user", "--tenant", "demo"))["waiting"]
    assert (waiting["total"], waiting["in_partition"] >= 7, waiting["of_participant"]) == (8, True, 2)


async def test_too_many_requests_to_look_through_are_counted_all_together(
    badges: Installation, demo: DemoTenant
) -> None:
    large = {"key": request_key(UUID(demo.id), "queued"), "value": b"x" * 900_000, "headers": TYPED}
    await put(badges.kafka, *[large] * 12)
    waiting = (await told(badges, "queued", "power_user", "--tenant", "demo"))["waiting"]
    assert (waiting["in_partition"], waiting["of_participant"]) == (12, None)


async def test_kafka_that_is_away_costs_the_count_alone(badges: Installation) -> None:
    answer = await told(badges, "u", "power_user", "--tenant", "demo", BADGES_KAFKA_BOOTSTRAP="127.0.0.1:1")
    assert (answer["status"], answer["waiting"]) == ("never_seen", None)
    assert any("Kafka did not tell" in note for note in answer["notes"])


async def test_postgres_that_is_away_is_an_error(badges: Installation) -> None:
    away = {"BADGES_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    done = await badgectl(badges, "explain", "u", "power_user", "--tenant", "demo", environment=away)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: Postgres")


async def test_tenant_is_named_by_slug_or_id_and_environment(
    badges: Installation, demo: DemoTenant, database: Database
) -> None:
    sandbox = await make_tenant(database, "acme", Environment.TEST)
    named = {
        ("--tenant", "demo"): demo.id,
        ("--tenant", "demo", "--environment", "test"): demo.test_id,
        ("--tenant", demo.test_id): demo.test_id,
        ("--tenant", demo.test_id, "--environment", "live"): demo.id,
        ("--tenant", "acme", "--environment", "test"): str(sandbox.id),
    }
    for options, tenant_id in named.items():
        assert (await told(badges, "u", "power_user", *options))["tenant_id"] == tenant_id
    for options in (("--tenant", "nowhere"), ("--tenant", "acme"), ("--tenant", str(uuid4()), "--environment", "test")):
        refused = await badgectl(badges, "explain", "u", "power_user", *options)
        assert (refused.code, refused.out) == (1, "")
        assert "there is no tenant" in refused.err


async def test_unknown_and_disabled_tenants_are_told(
    worker: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    nobody = uuid4()
    await publish(worker.kafka, award_request(tenant_id=nobody))
    await until(connection, "SELECT count(*) FROM rejected_requests")
    answer = await told(worker, "user_123", "power_user", "--tenant", str(nobody))
    assert (answer["status"], answer["tenant"], answer["rejections"][0]["reason"]) == (
        "rejected",
        None,
        "unknown_tenant",
    )
    assert f"No tenant has the id {nobody}." in answer["notes"]

    assert (await badgectl(worker, "tenants", "disable", "demo")).code == 0
    await publish(worker.kafka, award_request(tenant_id=demo.id))
    await until(connection, "SELECT count(*) = 2 FROM rejected_requests")
    answer = await told(worker, "user_123", "power_user", "--tenant", "demo")
    assert (answer["tenant"]["is_enabled"], answer["rejections"][0]["reason"]) == (False, "tenant_disabled")
    assert "disabled" in (await badgectl(worker, "explain", "user_123", "power_user", "--tenant", "demo")).out


async def test_people_read_the_same_facts(
    worker: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    request = award_request(tenant_id=demo.id, participant_id="line\nbreak [red]🏅", source="/orders")
    await publish(worker.kafka, request, award_request(tenant_id=demo.id, badge_code="none", request_id="r1"))
    await until(connection, "SELECT count(*) FROM awards WHERE NOT EXISTS (SELECT FROM outbox)")
    await until(connection, "SELECT count(*) FROM rejected_requests")
    text = (await badgectl(worker, "explain", request.participant_id, "power_user", "--tenant", "demo")).out
    facts = dict(line.strip().split(maxsplit=1) for line in text.splitlines() if line.strip())
    assert facts["participant"] == "line\N{REPLACEMENT CHARACTER}break [red]🏅"
    assert facts["status"] == "awarded"
    assert facts["request"] == request.request_id
    assert facts["tenant"] == "demo, live"
    for part in ("Kafka, source /orders", "award_requests/", ", emitted", "2026-02-14T12:00:00Z"):
        assert part in text
    text = (await badgectl(worker, "explain", "user_123", "none", "--tenant", "demo")).out
    for part in ("badge_not_found at ", "request r1: Badge 'none' not found", "not defined"):
        assert part in text


async def test_ids_that_cannot_be_are_refused(badges: Installation) -> None:
    for pair in (("\udcff", "power_user"), ("u", "\udcff"), ("u" * 256, "c"), ("u", "c" * 51), ("", "c")):
        refused = await badgectl(badges, "explain", *pair, "--tenant", "demo")
        assert (refused.code, refused.out) == (1, "")
        assert "must" in refused.err


async def test_award_of_before_places_were_kept_is_explained(
    badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        "INSERT INTO awards (tenant_id, participant_id, badge_id, earned_at, request_id, source)"
        " SELECT tenant_id, 'old', id, now(), 'r', '/badges/api' FROM badges"
        " WHERE tenant_id = $1 AND code = 'power_user'",
        UUID(demo.id),
    )
    answer = await told(badges, "old", "power_user", "--tenant", "demo")
    assert (answer["award"]["place"], answer["award"]["came_over"], answer["award"]["key_id"]) == (None, "http", None)
    assert any("before gateways named the key" in note for note in answer["notes"])
    assert any("older than the record of places" in note for note in answer["notes"])


async def test_json_is_what_the_gateway_answers(worker: Installation, demo: DemoTenant) -> None:
    gateway = await worker.gateway().ready()
    await publish(worker.kafka, award_request(tenant_id=demo.id, badge_code="none"))
    path = "/api/v1/gamify/admin/participants/user_123/badges/{}/explain"
    async with httpx.AsyncClient(base_url=gateway.url, headers={"X-API-Key": demo.live_admin_key}) as client:
        awarded = {"participant_id": "user_123", "badge_code": "power_user"}
        assert (await client.post("/api/v1/gamify/badges/award", json=awarded, timeout=15)).status_code == 200
        async with asyncio.timeout(30):
            while (await client.get(path.format("none"))).json()["status"] != "rejected":
                await asyncio.sleep(0.05)
            while (await client.get(path.format("power_user"))).json()["award"]["event"] != "emitted":
                await asyncio.sleep(0.05)
        for code in ("power_user", "none", "first_steps"):
            answered = (await client.get(path.format(code))).json()
            assert (await told(worker, "user_123", code, "--tenant", demo.id)) == answered
