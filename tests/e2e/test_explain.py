"""Why a participant has a badge, or has it not: over HTTP, against a real gateway and worker."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import quote
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from badges_client import AsyncBadgesClient, BadgesClient, Forbidden, ValidationFailed
from both_clients import Clients, both, calling
from builders import NOON, award_request, publish
from domain.awards import award_event_id
from domain.request_sources import key_source
from domain.tenants import Environment, hash_key
from shared import Shared, Tenant, make_tenant
from storage.database import Database

Told: TypeAlias = Mapping[str, Any]
Explain: TypeAlias = Callable[..., Awaitable[Told]]


def path(participant_id: str, code: str) -> str:
    participant, badge = (quote(text, safe="").replace(".", "%2E") for text in (participant_id, code))
    return f"/admin/participants/{participant}/badges/{badge}/explain"


@pytest.fixture
def explain(admin: httpx.AsyncClient) -> Explain:
    """What the gateway tells of a pair; waits, if asked, until it is that status and the event is out."""

    async def ask(participant_id: str, code: str, until: str | None = None) -> Told:
        async with asyncio.timeout(20):
            while True:
                answer = await admin.get(path(participant_id, code))
                assert answer.status_code == 200, answer.text
                told: Told = answer.json()
                event = told["award"]["event"] if told["award"] else "emitted"
                if until in {None, told["status"]} and (until is None or event == "emitted"):
                    return told
                await asyncio.sleep(0.05)

    return ask


async def award(client: httpx.AsyncClient, participant_id: str = "u", code: str = "power_user") -> Told:
    answer = await client.post("/badges/award", json={"participant_id": participant_id, "badge_code": code})
    assert answer.status_code == 200, answer.text
    awarded: Told = answer.json()
    return awarded


async def test_award_over_http_names_its_key_its_place_and_its_event(
    client: httpx.AsyncClient, explain: Explain, tenant: Tenant, look: asyncpg.Connection
) -> None:
    awarded = await award(client)
    told = await explain("u", "power_user", until="awarded")
    row = await look.fetchrow("SELECT * FROM awards WHERE tenant_id = $1", tenant.id)
    key_id = await look.fetchval("SELECT id FROM api_keys WHERE key_hash = $1", hash_key(tenant.key))
    assert row is not None
    assert told["award"] == {
        "earned_at": awarded["earned_at"],
        "recorded_at": row["recorded_at"].isoformat().replace("+00:00", "Z"),
        "request_id": row["request_id"],
        "came_over": "http",
        "source": f"/badges/api/keys/{key_id}",
        "key_id": str(key_id),
        "key_name": "a test's",
        "place": {"topic": row["topic"], "partition": row["partition"], "offset": row["offset"]},
        "event_id": str(award_event_id((tenant.id, "u", row["badge_id"]))),
        "event": "emitted",
    }
    assert (told["badge"]["name"], told["badge"]["is_active"], told["badge"]["is_hidden"]) == (
        "Power User",
        True,
        False,
    )
    assert (told["rejections"], told["has_more_rejections"], told["waiting"]) == ([], False, None)
    assert told["tenant_id"] == str(tenant.id)
    assert (told["tenant"]["environment"], told["tenant"]["is_enabled"]) == ("live", True)


async def test_duplicates_leave_the_first_request_and_no_trace(client: httpx.AsyncClient, explain: Explain) -> None:
    await award(client)
    before = await explain("u", "power_user", until="awarded")
    assert (await award(client))["already_earned"] is True
    assert await explain("u", "power_user") == before
    assert any("leave no trace" in note for note in before["notes"])


async def test_award_over_kafka_names_its_source(explain: Explain, shared: Shared, tenant: Tenant) -> None:
    request = award_request(tenant_id=tenant.id, source="/orders", request_id="order-4711")
    await publish(shared.place.kafka, request)
    told = (await explain(request.participant_id, "power_user", until="awarded"))["award"]
    assert (told["came_over"], told["source"], told["request_id"]) == ("kafka", "/orders", "order-4711")
    assert (told["key_id"], told["key_name"]) == (None, None)
    assert told["place"]["topic"] == f"{shared.place.kafka.prefix}award_requests"
    assert told["earned_at"] == NOON.isoformat().replace("+00:00", "Z")


async def test_key_of_another_tenant_that_a_source_names_is_not_told(
    explain: Explain, shared: Shared, shared_database: Database, tenant: Tenant, look: asyncpg.Connection
) -> None:
    other = await make_tenant(shared_database, f"slug-{uuid4()}", Environment.LIVE)
    key_id: UUID = await look.fetchval("SELECT id FROM api_keys WHERE tenant_id = $1 LIMIT 1", other.id)
    await publish(shared.place.kafka, award_request(tenant_id=tenant.id, source=key_source(key_id)))
    told = await explain("user_123", "power_user", until="awarded")
    assert (told["award"]["key_id"], told["award"]["key_name"]) == (str(key_id), None)
    assert any(f"{key_id}, which is not one of the tenant's" in note for note in told["notes"])


async def test_rejected_request_is_told_with_its_reason_and_what_changed_since(
    client: httpx.AsyncClient, explain: Explain, shared: Shared, tenant: Tenant
) -> None:
    request = award_request(tenant_id=tenant.id, badge_code="late", request_id="early-bird")
    await publish(shared.place.kafka, request)
    told = await explain("user_123", "late", until="rejected")
    (rejected,) = told["rejections"]
    assert (rejected["reason"], rejected["request_id"]) == ("badge_not_found", "early-bird")
    assert (rejected["detail"], rejected["redriven_at"]) == ("Badge 'late' not found", None)
    assert rejected["place"]["topic"].endswith("award_requests")
    assert (told["badge"], told["award"]) == (None, None)
    assert "The tenant has no definition with this code." in told["notes"]

    await tenant.define("late")
    told = await explain("user_123", "late")
    assert told["status"] == "rejected"
    assert any("holds no longer" in note for note in told["notes"])

    await award(client, "user_123", "late")
    told = await explain("user_123", "late", until="awarded")
    assert told["rejections"] == [rejected]


async def test_newest_rejections_are_told_first_and_their_number_is_bounded(
    explain: Explain, shared: Shared, tenant: Tenant, look: asyncpg.Connection
) -> None:
    requests = [award_request(tenant_id=tenant.id, badge_code="none", request_id=f"r{n}") for n in range(23)]
    await publish(shared.place.kafka, *requests)
    async with asyncio.timeout(20):
        while await look.fetchval("SELECT count(*) FROM rejected_requests WHERE tenant_id = $1", tenant.id) < 23:
            await asyncio.sleep(0.05)
    told = await explain("user_123", "none")
    assert [rejected["request_id"] for rejected in told["rejections"]] == [f"r{n}" for n in range(22, 2, -1)]
    assert told["has_more_rejections"] is True


async def test_pair_never_seen_says_where_to_look(explain: Explain, tenant: Tenant) -> None:
    for code in ("Poweruser", "power_usr", "POWER_USER"):
        told = await explain("nobody", code)
        assert (told["status"], told["badge"], told["close_codes"][0]) == ("never_seen", None, "power_user")
        assert any("Close to it: power_user" in note for note in told["notes"])
        assert any("404" in note for note in told["notes"])
    told = await explain("nobody", "power_user")
    assert (told["status"], told["award"], told["rejections"], told["close_codes"]) == ("never_seen", None, [], [])
    assert told["waiting"]["in_partition"] <= told["waiting"]["total"]
    assert 0 <= told["waiting"]["partition"] < 4
    await tenant.define("q" * 50)
    assert (await explain("nobody", "xyz"))["close_codes"] == []


async def test_inactive_and_hidden_definitions_are_told(
    admin: httpx.AsyncClient, client: httpx.AsyncClient, explain: Explain, tenant: Tenant
) -> None:
    badge = await tenant.define("gone", is_hidden=True)
    await award(client, "had_it", "gone")
    await admin.delete(f"/admin/badges/{badge.id}")
    never, had = await explain("u", "gone"), await explain("had_it", "gone")
    for told in (never, had):
        assert (told["badge"]["is_active"], told["badge"]["is_hidden"]) == (False, True)
    assert "The definition is not active: requests for it are refused." in never["notes"]
    assert "The definition was deactivated since; awards stay." in had["notes"]


ODD = ["a/b", ".", "..", "a%2Fb", "line\nbreak", "🏅" * 40, "explain", "a b+c?d=e#f", "e\u0301"]


@pytest.mark.parametrize("odd", ODD)
async def test_odd_ids_and_codes_are_explained(
    client: httpx.AsyncClient, explain: Explain, tenant: Tenant, odd: str
) -> None:
    await tenant.define(odd)
    await award(client, odd, odd)
    told = await explain(odd, odd, until="awarded")
    assert (told["participant_id"], told["badge_code"]) == (odd, odd)
    assert (await explain(f"{odd} ", odd))["status"] == "never_seen"


async def test_key_of_another_sees_nothing(
    client: httpx.AsyncClient, shared: Shared, shared_database: Database, sandbox: Tenant, tenant: Tenant
) -> None:
    await tenant.define("only_ours")
    await award(client, "u", "only_ours")
    await publish(shared.place.kafka, award_request(tenant_id=tenant.id, participant_id="u", badge_code="missing"))
    another = await make_tenant(shared_database, f"slug-{uuid4()}", Environment.LIVE)
    async with shared.client(tenant.admin_key) as own, asyncio.timeout(20):
        while (await own.get(path("u", "missing"))).json()["status"] != "rejected":
            await asyncio.sleep(0.05)
    for stranger in (sandbox, another):
        async with shared.client(stranger.admin_key) as theirs:
            for code in ("only_ours", "missing", "only_our"):
                told = (await theirs.get(path("u", code))).json()
                assert (told["status"], told["award"], told["rejections"]) == ("never_seen", None, [])
                assert (told["badge"], told["tenant_id"]) == (None, str(stranger.id))
                assert told["close_codes"] == []


async def test_plain_keys_and_unfit_ids_are_refused(client: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
    refused = await client.get(path("u", "power_user"))
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    nobody = await admin.get(path("u", "power_user"), headers={"X-API-Key": "bq_live_nonsense"})
    assert (nobody.status_code, nobody.json()["code"]) == (401, "unauthorized")
    for participant_id, code, field in (("u" * 256, "c", "participant_id"), ("u", "c" * 51, "badge_code")):
        unfit = await admin.get(path(participant_id, code))
        assert (unfit.status_code, unfit.json()["errors"][0]["loc"]) == (422, ["path", field])
    for raw in ("%FF", "%00", "%ED%A0%80"):
        unfit = await admin.get(f"/admin/participants/u/badges/{raw}/explain")
        assert (unfit.status_code, unfit.json()["errors"][0]["loc"]) == (422, ["path", "badge_code"])


@both
async def test_client_explains(kind: Clients, shared: Shared, tenant: Tenant) -> None:
    request = award_request(tenant_id=tenant.id, participant_id="a/b", badge_code="gone.")
    await publish(shared.place.kafka, request)
    async with calling(kind, shared.api_url, tenant.admin_key) as call:
        await call("award", "..", "power_user")
        told = await call("explain", "..", "power_user")
        assert (told.status, told.participant_id, told.tenant_id) == ("awarded", "..", tenant.id)
        assert (told.award.came_over, told.award.key_name, told.tenant.environment) == ("http", "a test's", "live")
        assert (told.badge.name, told.award.earned_at.tzinfo is not None, told.waiting) == ("Power User", True, None)
        async with asyncio.timeout(20):
            while (told := await call("explain", "a/b", "gone.")).status != "rejected":
                await asyncio.sleep(0.05)
        assert (told.rejections[0].reason, told.rejections[0].request_id) == ("badge_not_found", request.request_id)
        assert told.waiting.total >= told.waiting.in_partition
        assert told.notes[0] == "The tenant has no definition with this code."
        for empty in (("", "c"), ("u", "")):
            with pytest.raises(ValidationFailed):
                await call("explain", *empty)
    async with calling(kind, shared.api_url, tenant.key) as call:
        with pytest.raises(Forbidden):
            await call("explain", "u", "c")


def test_both_clients_explain_alike() -> None:
    assert BadgesClient.explain.__doc__ == AsyncBadgesClient.explain.__doc__
