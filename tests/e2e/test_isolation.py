"""Tenants and environments share nothing: a key of another sees nothing here, and changes nothing."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from domain.tenants import Environment
from shared import Shared, Tenant, make_tenant
from storage.database import Database

AWARD, BADGES = "/badges/award", "/admin/badges"
LIST = "/participants/user_123/badges"
ONLY_OURS = "only_ours"


@pytest.fixture(params=["the other environment", "another tenant"])
async def stranger(request: pytest.FixtureRequest, shared_database: Database, sandbox: Tenant) -> Tenant:
    """Somebody with an admin key of their own."""
    if request.param == "the other environment":
        return sandbox
    return await make_tenant(shared_database, f"slug-{uuid4()}", Environment.LIVE)


@pytest.fixture
async def badge(admin: httpx.AsyncClient) -> Mapping[str, Any]:
    """A definition that only the tenant has, and that its user_123 has earned."""
    made = await admin.post(BADGES, json={"code": ONLY_OURS, "name": "Ours", "category": "ours"})
    assert made.status_code == 201, made.text
    await award(admin)
    found: Mapping[str, Any] = made.json()
    return found


async def award(client: httpx.AsyncClient, code: str = ONLY_OURS) -> Mapping[str, Any]:
    """Award the participant that both sides have."""
    answer = await client.post(AWARD, json={"participant_id": "user_123", "badge_code": code})
    assert answer.status_code == 200, answer.text
    awarded: Mapping[str, Any] = answer.json()
    return awarded


async def everything(look: asyncpg.Connection, tenant: Tenant) -> Sequence[Sequence[object]]:
    """All that is the tenant's, in the database."""
    queries = (
        "SELECT * FROM badges WHERE tenant_id = $1 ORDER BY id",
        "SELECT * FROM awards WHERE tenant_id = $1 ORDER BY participant_id, badge_id",
        "SELECT * FROM rejected_requests WHERE tenant_id = $1",
    )
    return [[tuple(row) for row in await look.fetch(query, tenant.id)] for query in queries]


async def test_every_endpoint_is_blind_to_what_is_not_the_keys_own(
    admin: httpx.AsyncClient,
    shared: Shared,
    stranger: Tenant,
    tenant: Tenant,
    badge: Mapping[str, Any],
    look: asyncpg.Connection,
) -> None:
    path = f"{BADGES}/{badge['id']}"
    seen = (await admin.get(path)).json(), (await admin.get(LIST)).json(), (await admin.get(BADGES)).json()
    before = await everything(look, tenant)
    async with shared.client(stranger.admin_key) as other:
        unknown = {
            "award": await other.post(AWARD, json={"participant_id": "user_123", "badge_code": ONLY_OURS}),
            "get": await other.get(path),
            "patch": await other.patch(path, json={"name": "Theirs", "is_active": False}),
            "empty patch": await other.patch(path, json={}),
            "delete": await other.delete(path),
        }
        lists = {
            "participant": await other.get(LIST),
            "participant, earned": await other.get(LIST, params={"earned_only": "true"}),
            "participant, by code": await other.get(LIST, params={"badge_codes": ONLY_OURS}),
            "admin": await other.get(BADGES),
            "admin, by category": await other.get(BADGES, params={"category": "ours"}),
        }
    for what, answer in unknown.items():
        assert (answer.status_code, answer.json()["code"]) == (404, "badge_not_found"), what
        assert "Ours" not in answer.text
    for what, answer in lists.items():
        assert answer.status_code == 200, what
        assert ONLY_OURS not in answer.text, what
        assert badge["id"] not in answer.text, what
        assert str(tenant.id) not in answer.text, what
    assert lists["participant"].json()["earned_count"] == 0
    assert lists["participant, by code"].json()["total"] == lists["admin, by category"].json()["total"] == 0
    assert await everything(look, tenant) == before
    assert ((await admin.get(path)).json(), (await admin.get(LIST)).json(), (await admin.get(BADGES)).json()) == seen


async def test_same_codes_and_participants_live_apart(
    admin: httpx.AsyncClient,
    shared: Shared,
    stranger: Tenant,
    tenant: Tenant,
    badge: Mapping[str, Any],
    look: asyncpg.Connection,
) -> None:
    before = await everything(look, tenant)
    async with shared.client(stranger.admin_key) as other:
        made = await other.post(BADGES, json={"code": ONLY_OURS, "name": "Theirs", "rarity": "epic"})
        assert made.status_code == 201
        assert made.json()["id"] != badge["id"]
        theirs = await award(other)
        assert (theirs["already_earned"], theirs["badge_name"], theirs["rarity"]) == (False, "Theirs", "epic")
        assert (await other.patch(f"{BADGES}/{made.json()['id']}", json={"name": "Changed"})).status_code == 200
        assert (await other.delete(f"{BADGES}/{made.json()['id']}")).status_code == 200
    assert await everything(look, tenant) == before
    ours = await award(admin)
    assert (ours["already_earned"], ours["badge_name"], ours["rarity"]) == (True, "Ours", "common")


async def test_etag_of_another_opens_nothing(
    admin: httpx.AsyncClient,
    shared: Shared,
    stranger: Tenant,
    badge: Mapping[str, Any],
) -> None:
    tag = (await admin.get(LIST)).headers["ETag"]
    async with shared.client(stranger.key) as other:
        answer = await other.get(LIST, headers={"If-None-Match": tag})
    assert answer.status_code == 200
    assert badge["code"] not in answer.text


async def test_cap_counts_each_tenants_own_calls(admin: httpx.AsyncClient, shared: Shared, stranger: Tenant) -> None:
    for _ in range(3):
        await award(admin, "power_user")
    async with shared.client(stranger.key) as other:
        answer = await other.post(AWARD, json={"participant_id": "user_123", "badge_code": "power_user"})
    assert answer.headers["X-RateLimit-Remaining"] == "119"
