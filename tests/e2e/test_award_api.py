"""`POST /badges/award`, as its callers see it."""

import asyncio
import json
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from award_api import AWARD, EXAMPLE, KIB, assert_problem, body, post
from devstack.seed import DemoTenant
from domain.tenants import hash_key
from domain.times import parse_instant
from messaging.topics import topics_of
from observers import header, read_topic
from processes import Installation
from shared import Shared, Tenant


async def test_documented_example_word_for_word(client: httpx.AsyncClient) -> None:
    before = datetime.now(UTC)
    answer = await client.post(AWARD, json=EXAMPLE)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    awarded = answer.json()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", awarded["earned_at"])
    assert before <= parse_instant("earned_at", awarded["earned_at"]) <= datetime.now(UTC)
    assert awarded == {
        "participant_id": "user_123",
        "badge_code": "power_user",
        "badge_name": "Power User",
        "icon": "https://cdn.example.com/badges/power.png",
        "rarity": "rare",
        "earned_at": awarded["earned_at"],
        "already_earned": False,
    }
    repeated = await client.post(AWARD, json=EXAMPLE)
    assert repeated.status_code == 200
    assert repeated.json() == awarded | {"already_earned": True}


async def test_answer_means_that_the_award_is_committed(
    client: httpx.AsyncClient, look: asyncpg.Connection, tenant: Tenant
) -> None:
    answer = await client.post(AWARD, json=body(participant_id="committed"))
    row = await look.fetchrow("SELECT * FROM awards WHERE participant_id = 'committed'")
    assert row["earned_at"] == parse_instant("earned_at", answer.json()["earned_at"])
    assert json.loads(row["metadata"]) == EXAMPLE["metadata"]
    key_id = await look.fetchval("SELECT id FROM api_keys WHERE key_hash = $1", hash_key(tenant.key))
    assert row["source"] == f"/badges/api/keys/{key_id}"


async def test_award_is_told_to_the_world(client: httpx.AsyncClient, shared: Shared, tenant: Tenant) -> None:
    answer = (await client.post(AWARD, json=EXAMPLE)).json()
    topic = topics_of(shared.place.kafka).badge_awarded
    async with asyncio.timeout(20):
        events: list[dict[str, Any]] = []
        while not events:
            records = await read_topic(shared.place.kafka, topic)
            events = [json.loads(r.value) for r in records if (r.key or b"").startswith(str(tenant.id).encode())]
    (event,) = events
    assert event["earned_at"] == answer["earned_at"]
    assert event["metadata"] == {"trigger": "10th_login"}


async def test_badge_without_icon_is_answered_with_null(client: httpx.AsyncClient) -> None:
    answer = (await client.post(AWARD, json={"participant_id": "u", "badge_code": "first_steps"})).json()
    assert (answer["icon"], answer["rarity"], answer["badge_name"]) == (None, "common", "First Steps")


async def test_hidden_badge_can_be_awarded(client: httpx.AsyncClient) -> None:
    assert (await client.post(AWARD, json=body(badge_code="night_owl"))).status_code == 200


async def test_many_calls_at_once_for_one_award_have_one_earner(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.post(AWARD, json=EXAMPLE) for _ in range(30)))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["already_earned"] for answer in answers) == [False] + [True] * 29
    assert len({answer.json()["earned_at"] for answer in answers}) == 1


@pytest.mark.parametrize("key", [None, "", "bq_live_", "nonsense", "bq_live_" + "0" * 32, "bq_test_" + "0" * 32])
async def test_missing_malformed_and_unknown_keys_are_refused_alike(key: str | None, shared: Shared) -> None:
    async with shared.client(key) as stranger:
        problem = assert_problem(await stranger.post(AWARD, json=EXAMPLE), 401, "unauthorized")
    assert problem == {
        "type": "urn:badges:problem:unauthorized",
        "title": "Unauthorized",
        "status": 401,
        "detail": "X-API-Key is missing, invalid, expired or revoked",
        "code": "unauthorized",
    }


async def test_expired_key_is_refused_like_an_unknown_one(client: httpx.AsyncClient, tenant: Tenant) -> None:
    key = await tenant.new_key(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    expired = await client.post(AWARD, json=EXAMPLE, headers={"X-API-Key": key})
    unknown = await client.post(AWARD, json=EXAMPLE, headers={"X-API-Key": "bq_live_" + "0" * 32})
    assert_problem(expired, 401, "unauthorized")
    assert expired.content == unknown.content


async def test_revoked_key_is_refused_like_an_unknown_one_within_5_seconds(
    client: httpx.AsyncClient,
    tenant: Tenant,
    look: asyncpg.Connection,
) -> None:
    key = await tenant.new_key()
    assert (await client.post(AWARD, json=EXAMPLE, headers={"X-API-Key": key})).status_code == 200
    await look.execute("UPDATE api_keys SET revoked_at = now() WHERE tenant_id = $1", tenant.id)
    answer = await until_refused(client)
    unknown = await client.post(AWARD, json=EXAMPLE, headers={"X-API-Key": "bq_live_" + "0" * 32})
    assert_problem(answer, 401, "unauthorized")
    assert answer.content == unknown.content


async def test_disabled_tenant_is_refused_within_5_seconds(
    client: httpx.AsyncClient,
    tenant: Tenant,
    look: asyncpg.Connection,
) -> None:
    assert (await client.post(AWARD, json=EXAMPLE)).status_code == 200
    await look.execute("UPDATE tenants SET is_enabled = false WHERE id = $1", tenant.id)
    async with asyncio.timeout(5):
        assert_problem(await until_refused(client), 403, "forbidden")
        while (listed := await client.get("/participants/user_123/badges")).status_code == 200:
            await asyncio.sleep(0.2)
    assert_problem(listed, 403, "forbidden")
    assert_problem(await client.post(AWARD, content=b"{"), 403, "forbidden")


async def until_refused(client: httpx.AsyncClient) -> httpx.Response:
    """The first answer that is not 200; it has to come within 5 s."""
    async with asyncio.timeout(5):
        while (answer := await client.post(AWARD, json=EXAMPLE)).status_code == 200:
            await asyncio.sleep(0.2)
    return answer


@pytest.mark.parametrize("code", ["no_such_badge", "POWER_USER", " power_user", "power_user ", "' OR 1=1 --", "🏅"])
async def test_unknown_code_is_not_found_and_leaves_no_trace(
    code: str,
    client: httpx.AsyncClient,
    tenant: Tenant,
    look: asyncpg.Connection,
) -> None:
    problem = assert_problem(await client.post(AWARD, json=body(badge_code=code)), 404, "badge_not_found")
    assert problem["detail"] == f"Badge '{code}' not found"
    assert await look.fetchval("SELECT count(*) FROM rejected_requests WHERE tenant_id = $1", tenant.id) == 0


async def test_inactive_badge_is_not_found_at_once_even_if_just_awarded(
    client: httpx.AsyncClient,
    tenant: Tenant,
    look: asyncpg.Connection,
) -> None:
    assert (await client.post(AWARD, json=EXAMPLE)).status_code == 200
    await look.execute("UPDATE badges SET is_active = false WHERE tenant_id = $1 AND code = 'power_user'", tenant.id)
    assert_problem(await client.post(AWARD, json=body(participant_id="other")), 404, "badge_not_found")
    assert_problem(await client.post(AWARD, json=EXAMPLE), 404, "badge_not_found")


async def test_badge_made_after_a_404_can_be_awarded_at_once(client: httpx.AsyncClient, tenant: Tenant) -> None:
    assert_problem(await client.post(AWARD, json=body(badge_code="new")), 404, "badge_not_found")
    await tenant.define("new")
    assert (await client.post(AWARD, json=body(badge_code="new"))).status_code == 200


async def test_live_and_test_share_nothing(
    client: httpx.AsyncClient,
    shared: Shared,
    tenant: Tenant,
    sandbox: Tenant,
) -> None:
    await tenant.define("only_live")
    async with shared.client(sandbox.key) as testing:
        assert_problem(await testing.post(AWARD, json=body(badge_code="only_live")), 404, "badge_not_found")
        assert (await client.post(AWARD, json=EXAMPLE)).json()["already_earned"] is False
        assert (await testing.get("/participants/user_123/badges")).json()["earned_count"] == 0
        assert (await testing.post(AWARD, json=EXAMPLE)).json()["already_earned"] is False


async def test_121st_call_in_a_minute_for_one_participant_is_429(client: httpx.AsyncClient) -> None:
    answers = []
    for _ in range(8):
        answers += await asyncio.gather(*(client.post(AWARD, json=EXAMPLE) for _ in range(15)))
    assert {answer.status_code for answer in answers} == {200}
    assert {int(answer.headers["X-RateLimit-Remaining"]) for answer in answers} == set(range(120))
    for answer in answers:
        assert answer.headers["X-RateLimit-Limit"] == "120"
        assert 0 < int(answer.headers["X-RateLimit-Reset"]) - time.time() <= 61
    refused = await client.post(AWARD, json=EXAMPLE)
    assert_problem(refused, 429, "RATE_LIMIT_PARTICIPANT_EXCEEDED")
    assert 1 <= int(refused.headers["Retry-After"]) <= 61
    assert refused.headers["X-RateLimit-Limit"] == "120"
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert int(refused.headers["X-RateLimit-Reset"]) >= int(time.time())
    assert_problem(await client.post(AWARD, json=body(badge_code="no_such_badge")), 429, refused.json()["code"])
    assert_problem(await client.post(AWARD, json=body(badge_code=5)), 422, "validation_error")
    assert (await client.post(AWARD, json=body(participant_id="other"))).status_code == 200
    assert (await client.get("/participants/user_123/badges")).status_code == 200


async def test_cap_is_each_tenants_own(
    client: httpx.AsyncClient,
    shared: Shared,
    sandbox: Tenant,
) -> None:
    first = await client.post(AWARD, json=EXAMPLE)
    async with shared.client(sandbox.key) as testing:
        second = await testing.post(AWARD, json=EXAMPLE)
    assert first.headers["X-RateLimit-Remaining"] == second.headers["X-RateLimit-Remaining"] == "119"


async def test_errors_behind_the_cap_tell_of_it_too(client: httpx.AsyncClient) -> None:
    answer = await client.post(AWARD, json=body(badge_code="no_such_badge"))
    assert answer.headers["X-RateLimit-Remaining"] == "119"


async def test_checks_come_in_the_documented_order(client: httpx.AsyncClient, shared: Shared) -> None:
    too_large = b"{" * (64 * KIB + 1)
    async with shared.client() as stranger:
        assert_problem(await post(stranger, too_large), 401, "unauthorized")
        assert_problem(await stranger.post(AWARD, content=b""), 401, "unauthorized")
    assert_problem(await client.post("/admin/badges", content=too_large), 403, "forbidden")
    assert_problem(await client.post("/admin/badges", json={"code": 5}), 403, "forbidden")
    assert_problem(await post(client, too_large), 413, "payload_too_large")
    assert_problem(await client.post(AWARD, json=body(participant_id="", badge_code="no")), 422, "validation_error")


async def test_idempotency_key_is_ignored(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "one"}
    first = await client.post(AWARD, json=EXAMPLE, headers=headers)
    other = await client.post(AWARD, json=body(participant_id="other"), headers=headers)
    assert first.json()["already_earned"] is other.json()["already_earned"] is False


@pytest.mark.parametrize("prefer", ["respond-async", "Respond-Async, wait=10", "return=minimal, respond-async;x=y"])
async def test_respond_async_is_accepted_with_the_place_to_look(prefer: str, client: httpx.AsyncClient) -> None:
    participant_id = "a/b ../é\n%2F?#"
    answer = await client.post(AWARD, json=body(participant_id=participant_id), headers={"Prefer": prefer})
    assert answer.status_code == 202
    assert answer.json() == {"participant_id": participant_id, "badge_code": "power_user", "status": "accepted"}
    assert answer.headers["Preference-Applied"] == "respond-async"
    assert answer.headers["X-RateLimit-Remaining"] == "119"
    location = answer.headers["Location"]
    assert location.startswith("/api/v1/gamify/participants/")
    async with asyncio.timeout(10):
        while True:
            listed = (await client.get(str(client.base_url.join(location)))).json()
            assert listed["participant_id"] == participant_id
            assert [row["code"] for row in listed["badges"]] == ["power_user"]
            if listed["badges"][0]["earned"]:
                break
            await asyncio.sleep(0.05)
    assert (await client.post(AWARD, json=body(participant_id=participant_id))).json()["already_earned"] is True


@pytest.mark.parametrize("prefer", ["wait=5", "respond-asynchronously", "x=respond-async", ""])
async def test_other_preferences_are_passed_over(prefer: str, client: httpx.AsyncClient) -> None:
    answer = await client.post(AWARD, json=EXAMPLE, headers={"Prefer": prefer})
    assert answer.status_code == 200
    assert "Preference-Applied" not in answer.headers


async def test_respond_async_is_refused_like_any_other_call(client: httpx.AsyncClient) -> None:
    headers = {"Prefer": "respond-async"}
    unknown = await client.post(AWARD, json=body(badge_code="no_such_badge"), headers=headers)
    assert_problem(unknown, 404, "badge_not_found")
    assert_problem(await client.post(AWARD, json={}, headers=headers), 422, "validation_error")


async def test_without_a_worker_the_award_is_pending_and_made_by_the_next_one(
    badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    gateway = await badges.gateway().ready()
    loop = asyncio.get_running_loop()
    async with httpx.AsyncClient(timeout=15, headers={"X-API-Key": demo.live_key}) as client:
        url = f"{gateway.url}/api/v1/gamify{AWARD}"
        started = loop.time()
        pending = await client.post(url, json=EXAMPLE)
        assert loop.time() - started < 5.5
        assert_problem(pending, 503, "award_pending")
        assert int(pending.headers["Retry-After"]) >= 1
        asked_by = datetime.now(UTC)
        await badges.worker().ready()
        repeated = await client.post(url, json=EXAMPLE)
    assert repeated.status_code == 200
    assert repeated.json()["already_earned"] is True
    assert parse_instant("earned_at", repeated.json()["earned_at"]) < asked_by
    assert await connection.fetchval("SELECT count(*) FROM awards") == 1
    events = await read_topic(badges.kafka, topics_of(badges.kafka).badge_awarded, at_least=1, settle=1)
    assert [header(event, "ce_subject") for event in events] == ["user_123"]
