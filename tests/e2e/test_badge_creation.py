"""`POST /admin/badges`: what may be a badge definition."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest

from badge_definitions import BADGES, EXAMPLE, body
from domain.times import parse_instant
from shared import Shared, Tenant


async def test_documented_example_is_created_and_can_be_awarded(admin: httpx.AsyncClient, tenant: Tenant) -> None:
    answer = await admin.post(BADGES, json=EXAMPLE)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made == {
        "id": made["id"],
        "tenant_id": str(tenant.id),
        **EXAMPLE,
        "is_active": True,
        "is_hidden": False,
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
    }
    assert str(UUID(made["id"])) == made["id"]
    assert abs(datetime.now(UTC) - parse_instant("created_at", made["created_at"])) < timedelta(minutes=1)
    award = {"participant_id": "user_123", "badge_code": "streak_7"}
    assert (await admin.post("/badges/award", json=award)).json()["badge_name"] == "Seven Days"


async def test_smallest_badge_has_the_documented_defaults(admin: httpx.AsyncClient) -> None:
    made = (await admin.post(BADGES, json={"code": "c", "name": "n"})).json()
    optional = {name: made[name] for name in ("description", "icon_url", "badge_color", "category")}
    assert optional == dict.fromkeys(optional)
    assert (made["rarity"], made["is_hidden"], made["display_order"]) == ("common", False, 0)


async def test_code_is_taken_for_ever(admin: httpx.AsyncClient, look: asyncpg.Connection, tenant: Tenant) -> None:
    assert (await admin.post(BADGES, json=EXAMPLE)).status_code == 201
    await look.execute("UPDATE badges SET is_active = false WHERE tenant_id = $1", tenant.id)
    answer = await admin.post(BADGES, json=body(name="Another"))
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "badge_code_conflict"
    assert answer.json()["detail"] == "Badge with code 'streak_7' already exists"


async def test_of_many_creations_at_once_one_succeeds(admin: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(admin.post(BADGES, json=EXAMPLE) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [400] * 9


async def test_other_tenants_may_have_the_same_code(
    admin: httpx.AsyncClient,
    shared: Shared,
    sandbox: Tenant,
) -> None:
    assert (await admin.post(BADGES, json=EXAMPLE)).status_code == 201
    async with shared.client(sandbox.admin_key) as testing:
        assert (await testing.post(BADGES, json=EXAMPLE)).status_code == 201


@pytest.mark.parametrize("scopes", [(), ("participant",), ("Admin",), ("gamify",)])
async def test_key_without_the_scope_is_forbidden(
    scopes: tuple[str, ...],
    client: httpx.AsyncClient,
    tenant: Tenant,
) -> None:
    answer = await client.post(BADGES, json=EXAMPLE, headers={"X-API-Key": await tenant.new_key(*scopes)})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_gamify_admin_is_an_admin_too(client: httpx.AsyncClient, tenant: Tenant) -> None:
    key = await tenant.new_key("gamify:admin")
    assert (await client.post(BADGES, json=EXAMPLE, headers={"X-API-Key": key})).status_code == 201


UNFIT: Mapping[str, Mapping[str, object]] = {
    "no code": {"code": ...},
    "no name": {"name": ...},
    "code empty": {"code": ""},
    "code of 51": {"code": "x" * 51},
    "code with NUL": {"code": "a\0"},
    "code a number": {"code": 7},
    "name empty": {"name": ""},
    "name of 101": {"name": "x" * 101},
    "name null": {"name": None},
    "name with a surrogate": {"name": "\ud800"},
    "description with NUL": {"description": "\0"},
    "description a number": {"description": 1},
    "icon_url no URL": {"icon_url": "power.png"},
    "icon_url of another kind": {"icon_url": "javascript:alert(1)"},
    "icon_url a broken URL": {"icon_url": "http://[::1"},
    "icon_url of 2,049": {"icon_url": "https://cdn.example.com/".ljust(2049, "x")},
    "badge_color of 21": {"badge_color": "#" * 21},
    "category of 51": {"category": "x" * 51},
    "rarity unknown": {"rarity": "mythic"},
    "rarity in capitals": {"rarity": "Rare"},
    "rarity null": {"rarity": None},
    "rarity a number": {"rarity": 1},
    "is_hidden text": {"is_hidden": "true"},
    "is_hidden a number": {"is_hidden": 1},
    "is_hidden null": {"is_hidden": None},
    "display_order text": {"display_order": "5"},
    "display_order a fraction": {"display_order": 1.5},
    "display_order true": {"display_order": True},
    "display_order past 32 bits": {"display_order": 2**31},
    "display_order null": {"display_order": None},
}


@pytest.mark.parametrize("change", UNFIT.values(), ids=UNFIT.keys())
async def test_what_does_not_fit_its_documentation_is_422(
    change: Mapping[str, object], admin: httpx.AsyncClient
) -> None:
    content = json.dumps(body(**change))
    answer = await admin.post(BADGES, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "validation_error"
    (name,) = change
    assert [error["loc"] for error in answer.json()["errors"]] == [["body", name]]


async def test_lengths_are_told_in_characters(admin: httpx.AsyncClient) -> None:
    lengths = {"code": 51, "name": 101, "badge_color": 21, "category": 51}
    answer = await admin.post(BADGES, json=body(**{name: "x" * length for name, length in lengths.items()}))
    assert {error["loc"][1]: (error["msg"], error["type"]) for error in answer.json()["errors"]} == {
        name: (f"String should have at most {length - 1} characters", "string_too_long")
        for name, length in lengths.items()
    }


FIT: Mapping[str, Mapping[str, object]] = {
    "longest": {
        "code": "🏅" * 50,
        "name": "é" * 100,
        "badge_color": "x" * 20,
        "category": "x" * 50,
        "icon_url": "https://cdn.example.com/".ljust(2048, "x"),
        "description": "x" * 20_000,
    },
    "lowest order": {"display_order": -(2**31)},
    "highest order": {"display_order": 2**31 - 1},
    "nulls": {"description": None, "icon_url": None, "badge_color": None, "category": None},
    "hidden": {"is_hidden": True},
    "http icon": {"icon_url": "HTTP://localhost:8080/x?y#z"},
    "color free text": {"badge_color": "purple"},
    "odd code": {"code": " a,b/c%\n"},
}


@pytest.mark.parametrize("change", FIT.values(), ids=FIT.keys())
async def test_what_fits_comes_back_as_it_was_given(change: Mapping[str, object], admin: httpx.AsyncClient) -> None:
    answer = await admin.post(BADGES, json=body(**change))
    assert answer.status_code == 201, answer.text
    assert {name: answer.json()[name] for name in change} == change


async def test_unknown_fields_are_ignored(admin: httpx.AsyncClient) -> None:
    answer = await admin.post(BADGES, json=body(id="x", tenant_id="y", is_active=False, surprise=1))
    assert answer.status_code == 201
    assert answer.json()["is_active"] is True


async def test_malformed_json_is_422_and_other_content_415(admin: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}
    assert (await admin.post(BADGES, content=b"{", headers=headers)).json()["code"] == "validation_error"
    assert (await admin.post(BADGES, content=b"{}")).json()["code"] == "unsupported_media_type"
    assert (await admin.post(BADGES, content=b" " * 65537, headers=headers)).json()["code"] == "payload_too_large"
