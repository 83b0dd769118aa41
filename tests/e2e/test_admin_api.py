"""`/admin/badges`: badge definitions, as their keepers see them."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from domain.times import parse_instant
from shared import Shared, Tenant

BADGES = "/admin/badges"
EXAMPLE: Mapping[str, object] = {
    "code": "streak_7",
    "name": "Seven Days",
    "description": "Log in on seven days.",
    "icon_url": "https://cdn.example.com/badges/seven.png",
    "badge_color": "#7C3AED",
    "rarity": "rare",
    "category": "engagement",
    "display_order": 10,
}


def body(**changes: object) -> dict[str, object]:
    """The documented example with a code of its own, changed; a field set to `...` is left out."""
    return {name: value for name, value in (dict(EXAMPLE) | changes).items() if value is not ...}


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


async def create(admin: httpx.AsyncClient, **changes: object) -> dict[str, Any]:
    """Create a badge; return it as it was answered."""
    answer = await admin.post(BADGES, json=body(**changes))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def assert_refused(answer: httpx.Response, status: int, code: str) -> None:
    """The answer is an error in the documented shape."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert isinstance(answer.json()["detail"], str)


async def test_definitions_are_listed_in_order_hidden_and_inactive_too(admin: httpx.AsyncClient) -> None:
    inactive = await create(admin, code="inactive", display_order=-1)
    await admin.delete(f"{BADGES}/{inactive['id']}")
    await create(admin, code="Zebra", display_order=10)
    page = (await admin.get(BADGES)).json()
    assert [item["code"] for item in page["items"]] == ["inactive", "first_steps", "Zebra", "power_user", "night_owl"]
    assert (page["total"], page["page"], page["page_size"]) == (5, 1, 50)
    assert page["items"][0] == inactive | {"is_active": False, "updated_at": page["items"][0]["updated_at"]}


@pytest.mark.parametrize(
    ("query", "codes", "total"),
    [
        ({"category": "engagement"}, ["power_user", "night_owl"], 2),
        ({"category": "Engagement"}, [], 0),
        ({"category": "none"}, [], 0),
        ({"is_active": "false"}, [], 0),
        ({"is_active": "true", "category": "onboarding"}, ["first_steps"], 1),
        ({"page_size": "2"}, ["first_steps", "power_user"], 3),
        ({"page": "2", "page_size": "2"}, ["night_owl"], 3),
        ({"page": "3", "page_size": "2"}, [], 3),
        ({"page": "9" * 30, "page_size": "100"}, [], 3),
    ],
)
async def test_list_is_filtered_and_paged(
    query: Mapping[str, str], codes: list[str], total: int, admin: httpx.AsyncClient
) -> None:
    answer = await admin.get(BADGES, params=query)
    assert answer.status_code == 200, answer.text
    assert [item["code"] for item in answer.json()["items"]] == codes
    assert answer.json()["total"] == total


@pytest.mark.parametrize(
    "query",
    [
        {"page": "0"},
        {"page": "-1"},
        {"page": "one"},
        {"page": "1.5"},
        {"page_size": "0"},
        {"page_size": "101"},
        {"is_active": "perhaps"},
        {"category": "\0"},
    ],
)
async def test_query_that_does_not_fit_is_422(query: Mapping[str, str], admin: httpx.AsyncClient) -> None:
    assert_refused(await admin.get(BADGES, params=query), 422, "validation_error")


async def test_one_definition_is_answered_as_it_was_created(admin: httpx.AsyncClient) -> None:
    made = await create(admin)
    answer = await admin.get(f"{BADGES}/{made['id']}")
    assert (answer.status_code, answer.json()) == (200, made)


async def test_patch_changes_what_it_names_and_nothing_else(admin: httpx.AsyncClient) -> None:
    made = await create(admin)
    changes: dict[str, object] = {
        "name": "Eight Days",
        "rarity": "epic",
        "category": None,
        "is_hidden": True,
        "display_order": -3,
    }
    answer = await admin.patch(f"{BADGES}/{made['id']}", json=changes)
    assert answer.status_code == 200
    changed = answer.json()
    assert changed == made | changes | {"updated_at": changed["updated_at"]}
    assert parse_instant("t", changed["updated_at"]) > parse_instant("t", made["updated_at"])
    assert (await admin.get(f"{BADGES}/{made['id']}")).json() == changed


@pytest.mark.parametrize("changes", [{}, {"name": "Seven Days", "rarity": "rare"}, {"surprise": 1}])
async def test_patch_that_changes_nothing_moves_nothing(
    changes: Mapping[str, object], admin: httpx.AsyncClient
) -> None:
    made = await create(admin)
    answer = await admin.patch(f"{BADGES}/{made['id']}", json=changes)
    assert (answer.status_code, answer.json()) == (200, made)


async def test_null_clears_the_optional_fields(admin: httpx.AsyncClient) -> None:
    for name in ("description", "icon_url", "badge_color", "category"):
        made = await create(admin, code=name)
        answer = await admin.patch(f"{BADGES}/{made['id']}", json={name: None})
        assert answer.json() == made | {name: None, "updated_at": answer.json()["updated_at"]}


UNFIT_CHANGES: Sequence[tuple[str, object]] = [
    ("code", "another"),
    ("code", "streak_7"),
    ("code", None),
    ("name", None),
    ("name", ""),
    ("name", "x" * 101),
    ("rarity", None),
    ("rarity", "mythic"),
    ("is_hidden", "yes"),
    ("is_hidden", None),
    ("is_active", 1),
    ("is_active", None),
    ("display_order", 2**31),
    ("display_order", None),
    ("display_order", "1"),
    ("icon_url", "ftp://x"),
    ("badge_color", "x" * 21),
    ("category", "x" * 51),
    ("description", "\0"),
]


@pytest.mark.parametrize(("name", "value"), UNFIT_CHANGES)
async def test_patch_that_does_not_fit_changes_nothing(name: str, value: object, admin: httpx.AsyncClient) -> None:
    made = await create(admin)
    answer = await admin.patch(f"{BADGES}/{made['id']}", json={"display_order": 99, name: value})
    assert_refused(answer, 422, "validation_error")
    assert [error["loc"] for error in answer.json()["errors"]] == [["body", name]]
    assert (await admin.get(f"{BADGES}/{made['id']}")).json() == made


async def test_paused_badge_is_not_awarded_until_it_goes_on(admin: httpx.AsyncClient) -> None:
    made = await create(admin)
    award = {"participant_id": "user_123", "badge_code": "streak_7"}
    assert (await admin.post("/badges/award", json=award)).status_code == 200
    assert (await admin.patch(f"{BADGES}/{made['id']}", json={"is_active": False})).json()["is_active"] is False
    assert_refused(await admin.post("/badges/award", json=award | {"participant_id": "b"}), 404, "badge_not_found")
    listed = (await admin.get("/participants/user_123/badges", params={"earned_only": "true"})).json()
    assert [row["code"] for row in listed["badges"]] == ["streak_7"]
    assert (await admin.patch(f"{BADGES}/{made['id']}", json={"is_active": True})).status_code == 200
    assert (await admin.post("/badges/award", json=award | {"participant_id": "b"})).status_code == 200


async def test_award_answers_show_the_definition_as_it_is(admin: httpx.AsyncClient) -> None:
    made = await create(admin)
    award = {"participant_id": "user_123", "badge_code": "streak_7"}
    assert (await admin.post("/badges/award", json=award)).json()["badge_name"] == "Seven Days"
    await admin.patch(f"{BADGES}/{made['id']}", json={"name": "Renamed", "icon_url": None, "rarity": "epic"})
    answer = (await admin.post("/badges/award", json=award)).json()
    assert (answer["badge_name"], answer["icon"], answer["rarity"]) == ("Renamed", None, "epic")


async def test_deleting_deactivates_and_twice_is_as_good_as_once(admin: httpx.AsyncClient) -> None:
    made = await create(admin)
    for _ in range(2):
        answer = await admin.delete(f"{BADGES}/{made['id']}")
        assert (answer.status_code, answer.json()) == (200, {"message": "Badge deactivated"})
    award = {"participant_id": "user_123", "badge_code": "streak_7"}
    assert_refused(await admin.post("/badges/award", json=award), 404, "badge_not_found")
    assert (await admin.get(f"{BADGES}/{made['id']}")).json()["is_active"] is False


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_definition_is_its_tenants_own(
    method: str, admin: httpx.AsyncClient, client: httpx.AsyncClient, shared: Shared, sandbox: Tenant
) -> None:
    made = await create(admin)
    path = f"{BADGES}/{made['id']}"
    content: dict[str, Any] = {"json": {}} if method == "PATCH" else {}
    async with shared.client(sandbox.admin_key) as other:
        assert_refused(await other.request(method, path, **content), 404, "badge_not_found")
    unknown = await admin.request(method, f"{BADGES}/{uuid4()}", **content)
    assert_refused(unknown, 404, "badge_not_found")
    assert_refused(await admin.request(method, f"{BADGES}/power_user", **content), 422, "validation_error")
    assert_refused(await client.request(method, path, **content), 403, "forbidden")
    assert (await admin.get(path)).json() == made
