"""The documented examples, sent and answered word for word: on a tenant that has nothing but what they make."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from domain.tenants import Environment
from domain.times import parse_instant
from raw_http import RawAnswer, exchange
from shared import Shared, Tenant
from storage.database import Database
from storage.tenants import create_tenant

AWARD = """\
POST /api/v1/gamify/badges/award
X-API-Key: bq_live_xxxxx
Content-Type: application/json

{
  "participant_id": "user_123",
  "badge_code": "power_user",
  "metadata": { "trigger": "10th_login" }
}"""
AWARDED = """\
{
  "participant_id": "user_123",
  "badge_code": "power_user",
  "badge_name": "Power User",
  "icon": "https://cdn.example.com/badges/power.png",
  "rarity": "rare",
  "earned_at": "2026-02-14T10:00:00Z",
  "already_earned": false
}"""
LIST = """\
GET /api/v1/gamify/participants/user_123/badges
X-API-Key: bq_live_xxxxx
"""
ONLY_EARNED = "GET /api/v1/gamify/participants/user_123/badges?earned_only=true"
BY_CODE = "GET /api/v1/gamify/participants/user_123/badges?badge_codes=power_user,first_steps"
LISTED = """\
{
  "participant_id": "user_123",
  "badges": [
    {
      "code": "power_user",
      "name": "Power User",
      "description": "Log in 10 times.",
      "icon": "https://cdn.example.com/badges/power.png",
      "rarity": "rare",
      "category": "engagement",
      "earned": true,
      "earned_at": "2026-02-14T10:00:00Z"
    }
  ],
  "total": 8,
  "earned_count": 3
}"""
ADMIN_LIST = """\
GET /api/v1/gamify/admin/badges?is_active=true&page=1&page_size=50
X-API-Key: bq_live_xxxxx   # must carry admin or gamify:admin scope
"""
ADMIN_LISTED = """\
{
  "items": [
    {
      "id": "01HZ...",
      "tenant_id": "01HZ...",
      "code": "power_user",
      "name": "Power User",
      "description": "Log in 10 times.",
      "icon_url": "https://cdn.example.com/badges/power.png",
      "badge_color": "#7C3AED",
      "rarity": "rare",
      "category": "engagement",
      "is_active": true,
      "is_hidden": false,
      "display_order": 10,
      "created_at": "2026-01-10T08:00:00Z",
      "updated_at": "2026-02-12T15:30:00Z"
    }
  ],
  "total": 12,
  "page": 1,
  "page_size": 50
}"""
CREATE = """\
POST /api/v1/gamify/admin/badges
X-API-Key: bq_live_xxxxx   # admin or gamify:admin scope
Content-Type: application/json

{
  "code": "power_user",
  "name": "Power User",
  "description": "Log in 10 times.",
  "icon_url": "https://cdn.example.com/badges/power.png",
  "badge_color": "#7C3AED",
  "rarity": "rare",
  "category": "engagement",
  "display_order": 10
}"""
DEACTIVATED = '{ "message": "Badge deactivated" }'
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")


@pytest.fixture
async def tenant(shared_database: Database) -> Tenant:
    """A tenant without any badge."""
    tenant_id = uuid4()
    async with shared_database.transaction() as connection:
        await create_tenant(connection, tenant_id=tenant_id, slug=f"slug-{tenant_id}", environment=Environment.LIVE)
    bare = Tenant(id=tenant_id, environment=Environment.LIVE, database=shared_database, key="", admin_key="")
    keys = {"key": await bare.new_key(), "admin_key": await bare.new_key("gamify:admin")}
    return Tenant(id=tenant_id, environment=Environment.LIVE, database=shared_database, **keys)


async def send(shared: Shared, example: str, key: str) -> RawAnswer:
    """Send an example as it stands, with the key in its place and what HTTP itself needs."""
    head, _, body = example.partition("\n\n")
    line, *headers = head.splitlines()
    sent = [header for header in headers if not header.startswith("X-API-Key")]
    sent += [f"X-API-Key: {key}", "Host: gateway", f"Content-Length: {len(body)}"]
    return await exchange(shared.api_url, "\r\n".join([f"{line} HTTP/1.1", *sent, "", body]).encode())


def assert_answers(answer: RawAnswer, status: int, example: str, **known: object) -> Any:
    """The answer is the example, field by field in its order, where `known` and instants stand in their places."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/json"
    answered, expected = json.loads(answer.body), json.loads(example)
    assert_like(answered, expected, known)
    return answered


def assert_like(answered: Any, expected: Any, known: Mapping[str, object]) -> None:
    """Compare; a list of the example shows only the first of what is there."""
    if isinstance(expected, dict):
        assert list(answered) == list(expected)
        for name in expected:
            assert_like(answered[name], known.get(name, expected[name]), known)
    elif isinstance(expected, list):
        assert_like(answered[0], expected[0], known)
    elif isinstance(expected, str) and INSTANT.fullmatch(expected):
        assert INSTANT.fullmatch(answered)
        parse_instant("answered", answered)
    else:
        assert (answered, type(answered)) == (expected, type(expected))


async def create(shared: Shared, tenant: Tenant) -> Any:
    """Create the badge of the example; return it as it was answered."""
    item = json.dumps(json.loads(ADMIN_LISTED)["items"][0])
    answer = await send(shared, CREATE, tenant.admin_key)
    created = json.loads(answer.body)
    assert_answers(answer, 201, item, id=created["id"], tenant_id=str(tenant.id))
    assert str(UUID(created["id"])) == created["id"]
    assert created["updated_at"] == created["created_at"]
    return created


async def more_badges(tenant: Tenant, codes: Sequence[str]) -> None:
    for code in codes:
        await tenant.define(code, display_order=20)


async def test_award_and_its_duplicate(shared: Shared, tenant: Tenant) -> None:
    await create(shared, tenant)
    first = assert_answers(await send(shared, AWARD, tenant.key), 200, AWARDED)
    again = await send(shared, AWARD, tenant.key)
    assert json.loads(again.body) == first | {"already_earned": True}


async def test_participants_list_with_its_filters(shared: Shared, tenant: Tenant) -> None:
    await create(shared, tenant)
    await more_badges(tenant, ["first_steps", *(f"badge_{number}" for number in range(6))])
    earned_at = json.loads((await send(shared, AWARD, tenant.key)).body)["earned_at"]
    for code in ("badge_1", "badge_2"):
        await send(shared, AWARD.replace("power_user", code), tenant.key)
    listed = assert_answers(await send(shared, LIST, tenant.key), 200, LISTED, total=8, earned_count=3)
    assert listed["badges"][0]["earned_at"] == earned_at
    assert len(listed["badges"]) == 8
    earned = assert_answers(await send(shared, ONLY_EARNED, tenant.key), 200, LISTED, total=3, earned_count=3)
    assert [row["code"] for row in earned["badges"]] == ["power_user", "badge_1", "badge_2"]
    by_code = assert_answers(await send(shared, BY_CODE, tenant.key), 200, LISTED, total=2, earned_count=1)
    assert [row["code"] for row in by_code["badges"]] == ["power_user", "first_steps"]
    assert by_code["badges"][1] == {
        "code": "first_steps",
        "name": "first_steps",
        "description": None,
        "icon": None,
        "rarity": "common",
        "category": None,
        "earned": False,
        "earned_at": None,
    }


async def test_admin_list_of_active_badges(shared: Shared, tenant: Tenant, look: asyncpg.Connection) -> None:
    created = await create(shared, tenant)
    await more_badges(tenant, [f"badge_{number}" for number in range(12)])
    await look.execute("UPDATE badges SET is_active = false WHERE tenant_id = $1 AND code = 'badge_0'", tenant.id)
    answer = await send(shared, ADMIN_LIST, tenant.admin_key)
    listed = assert_answers(answer, 200, ADMIN_LISTED, total=12, id=created["id"], tenant_id=str(tenant.id))
    assert listed["items"][0] == created
    assert len(listed["items"]) == 12


async def test_deactivation_preserves_awards_and_ends_new_ones(shared: Shared, tenant: Tenant) -> None:
    created = await create(shared, tenant)
    await send(shared, AWARD, tenant.key)
    before = (await send(shared, ONLY_EARNED, tenant.key)).body
    delete = f"DELETE /api/v1/gamify/admin/badges/{created['id']}"
    assert_answers(await send(shared, delete, tenant.admin_key), 200, DEACTIVATED)
    assert (await send(shared, ONLY_EARNED, tenant.key)).body == before
    refused = await send(shared, AWARD.replace("user_123", "user_124"), tenant.key)
    assert (refused.status, refused.problem["code"]) == (404, "badge_not_found")
    shown = await send(shared, delete.replace("DELETE", "GET"), tenant.admin_key)
    assert json.loads(shown.body) == created | {"is_active": False, "updated_at": json.loads(shown.body)["updated_at"]}


async def test_documented_errors(shared: Shared, tenant: Tenant) -> None:
    """The code and the detail, as the tables of errors have them."""
    nowhere = f"/api/v1/gamify/admin/badges/{uuid4()}"
    patch = f"PATCH {nowhere}\nContent-Type: application/json\n\n{{}}"
    created = await create(shared, tenant)
    unknown = f"bq_live_{os.urandom(16).hex()}"
    expected = {
        (AWARD, unknown): (401, "unauthorized", "X-API-Key is missing, invalid, expired or revoked"),
        (LIST, unknown): (401, "unauthorized", "X-API-Key is missing, invalid, expired or revoked"),
        (AWARD.replace("power_user", "nothing"), tenant.key): (404, "badge_not_found", "Badge 'nothing' not found"),
        (CREATE, tenant.admin_key): (
            400,
            "badge_code_conflict",
            f"Badge with code '{created['code']}' already exists",
        ),
        (CREATE, tenant.key): (403, "forbidden", "The API key is missing the admin or gamify:admin scope"),
        **{
            (example, tenant.admin_key): (404, "badge_not_found", f"Badge '{nowhere[-36:]}' not found")
            for example in (f"GET {nowhere}", patch, f"DELETE {nowhere}")
        },
    }
    for (example, key), refusal in expected.items():
        answer = await send(shared, example, key)
        assert (answer.status, answer.problem["code"], answer.problem["detail"]) == refusal


ENDPOINTS = {
    "award": AWARD,
    "list": LIST,
    "admin list": ADMIN_LIST,
    "create": CREATE,
    "get": f"GET /api/v1/gamify/admin/badges/{uuid4()}",
    "patch": f"PATCH /api/v1/gamify/admin/badges/{uuid4()}\nContent-Type: application/json\n\n{{}}",
    "delete": f"DELETE /api/v1/gamify/admin/badges/{uuid4()}",
}


@pytest.mark.parametrize("name", ENDPOINTS)
async def test_every_endpoint_checks_the_key_then_the_tenant_then_the_scope(
    name: str, shared: Shared, tenant: Tenant, look: asyncpg.Connection
) -> None:
    example = ENDPOINTS[name]
    for stranger in ("", "bq_live_xxxxx", f"bq_test_{'0' * 32}", f"{tenant.key} ,"):
        answer = await send(shared, example, stranger)
        assert (answer.status, answer.problem["code"]) == (401, "unauthorized")
        assert answer.headers["www-authenticate"] == "APIKey"
    if "/admin/" in example:
        answer = await send(shared, example, tenant.key)
        assert (answer.status, answer.problem["code"]) == (403, "forbidden")
        assert "scope" in answer.problem["detail"]
    await look.execute("UPDATE tenants SET is_enabled = false WHERE id = $1", tenant.id)
    for scopes in ((), ("admin",)):
        answer = await send(shared, example, await tenant.new_key(*scopes))
        assert (answer.status, answer.problem["code"]) == (403, "forbidden")
        assert answer.problem["detail"] == "The tenant is disabled"
