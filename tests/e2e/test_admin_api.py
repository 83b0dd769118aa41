"""`/admin/badges`: badge definitions, as their keepers see them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import httpx
import pytest

from badge_definitions import BADGES, assert_refused, create
from domain.times import parse_instant
from shared import Shared, Tenant


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
