"""`GET /participants/{participant_id}/badges`, as its callers see it."""

import http.client
import json
from typing import Any
from urllib.parse import quote, urlsplit

import asyncpg
import httpx
import pytest

from shared import Shared, Tenant

AWARD = "/badges/award"
LIST = "/participants/user_123/badges"


async def award(client: httpx.AsyncClient, participant_id: str = "user_123", code: str = "power_user") -> str:
    """Award a badge; return when it was earned."""
    answer = await client.post(AWARD, json={"participant_id": participant_id, "badge_code": code})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["earned_at"])


async def codes(client: httpx.AsyncClient, **query: str) -> list[str]:
    """The codes of the list of user_123."""
    answer = await client.get(LIST, params=query)
    assert answer.status_code == 200, answer.text
    return [row["code"] for row in answer.json()["badges"]]


def raw_get(url: str, target: str, key: str) -> tuple[int, Any]:
    """GET a target exactly as it is given; clients of a higher kind tidy paths up."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=15)
    try:
        connection.request("GET", target, headers={"X-API-Key": key})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


async def test_documented_example_word_for_word(client: httpx.AsyncClient) -> None:
    earned_at = await award(client)
    answer = await client.get(LIST)
    assert answer.status_code == 200
    assert answer.json() == {
        "participant_id": "user_123",
        "badges": [
            {
                "code": "first_steps",
                "name": "First Steps",
                "description": "Log in for the first time.",
                "icon": None,
                "rarity": "common",
                "category": "onboarding",
                "earned": False,
                "earned_at": None,
            },
            {
                "code": "power_user",
                "name": "Power User",
                "description": "Log in 10 times.",
                "icon": "https://cdn.example.com/badges/power.png",
                "rarity": "rare",
                "category": "engagement",
                "earned": True,
                "earned_at": earned_at,
            },
        ],
        "total": 2,
        "earned_count": 1,
    }


async def test_participant_never_seen_has_an_empty_handed_list(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/participants/nobody/badges")).json()
    assert (answer["total"], answer["earned_count"]) == (2, 0)
    empty = (await client.get("/participants/nobody/badges", params={"earned_only": "true"})).json()
    assert empty == {"participant_id": "nobody", "badges": [], "total": 0, "earned_count": 0}


async def test_earned_only_shows_what_was_earned_hidden_or_inactive_since(
    client: httpx.AsyncClient,
    tenant: Tenant,
    look: asyncpg.Connection,
) -> None:
    await award(client, code="night_owl")
    await award(client)
    await look.execute("UPDATE badges SET is_active = false WHERE tenant_id = $1 AND code = 'power_user'", tenant.id)
    assert await codes(client) == ["first_steps", "power_user", "night_owl"]
    assert await codes(client, earned_only="true") == ["power_user", "night_owl"]
    assert await codes(client, earned_only="false", badge_codes="power_user") == ["power_user"]


async def test_list_is_ordered_by_display_order_then_code(client: httpx.AsyncClient, tenant: Tenant) -> None:
    for code, order in (("b", 10), ("Z", 10), ("a", -5)):
        await tenant.define(code, display_order=order)
    assert await codes(client) == ["a", "first_steps", "Z", "b", "power_user"]


@pytest.mark.parametrize(
    ("badge_codes", "shown"),
    [
        ("power_user,first_steps", ["first_steps", "power_user"]),
        (" power_user , first_steps ,", ["first_steps", "power_user"]),
        ("power_user,power_user", ["power_user"]),
        ("night_owl", ["night_owl"]),
        ("no_such_badge", []),
        ("POWER_USER", []),
        ("x" * 51 + ",power_user", ["power_user"]),
        ("\0,power_user", ["power_user"]),
        (",".join(f"code_{number}" for number in range(99)) + ",power_user", ["power_user"]),
    ],
)
async def test_badge_codes_filter_the_list(badge_codes: str, shown: list[str], client: httpx.AsyncClient) -> None:
    assert await codes(client, badge_codes=badge_codes) == shown


ODD_CODES = [",", "a,b", " a", "a ", '"', '"a"', "\n", "\u2003a", "a&b=c#d+e%2C", "🏅" * 50]


@pytest.mark.parametrize("code", ODD_CODES)
async def test_whatever_can_be_a_code_can_be_asked_for(code: str, client: httpx.AsyncClient, tenant: Tenant) -> None:
    await tenant.define(code)
    quoted = '"' + code.replace('"', '""') + '"'
    assert await codes(client, badge_codes=f"power_user, {quoted} ,no_such_badge") == [code, "power_user"]
    body = {"participant_id": "user_123", "badge_code": code}
    accepted = await client.post(AWARD, json=body, headers={"Prefer": "respond-async"})
    assert accepted.status_code == 202
    listed = await client.get(str(client.base_url.join(accepted.headers["Location"])))
    assert [row["code"] for row in listed.json()["badges"]] == [code]


async def test_commas_separate_codes_however_they_are_encoded(shared: Shared, tenant: Tenant) -> None:
    for comma in (",", "%2C", "%2c"):
        target = f"/api/v1/gamify/participants/user_123/badges?badge_codes=power_user{comma}first_steps"
        status, listed = raw_get(shared.api_url, target, tenant.key)
        assert (status, [row["code"] for row in listed["badges"]]) == (200, ["first_steps", "power_user"])


async def test_list_that_has_not_changed_is_304(client: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
    first = await client.get(LIST)
    tag = first.headers["ETag"]
    assert (first.headers["Cache-Control"], first.headers["Vary"]) == ("private, no-cache", "X-API-Key")
    for known in (tag, f"W/{tag}", f'"another", {tag}', "*"):
        unchanged = await client.get(LIST, headers={"If-None-Match": known})
        assert (unchanged.status_code, unchanged.content, unchanged.headers["ETag"]) == (304, b"", tag)
        assert (unchanged.headers["Cache-Control"], unchanged.headers["Vary"]) == ("private, no-cache", "X-API-Key")
    for unknown in ('"another"', tag.strip('"'), ""):
        assert (await client.get(LIST, headers={"If-None-Match": unknown})).status_code == 200
    await award(client)
    after = await client.get(LIST, headers={"If-None-Match": tag})
    assert (after.status_code, after.json()["earned_count"]) == (200, 1)
    (badge,) = (await admin.get("/admin/badges", params={"category": "onboarding"})).json()["items"]
    await admin.patch(f"/admin/badges/{badge['id']}", json={"name": "Renamed"})
    renamed = await client.get(LIST, headers={"If-None-Match": after.headers["ETag"]})
    assert (renamed.status_code, renamed.json()["badges"][0]["name"]) == (200, "Renamed")


async def test_list_of_another_participant_has_another_etag(client: httpx.AsyncClient) -> None:
    tag = (await client.get(LIST)).headers["ETag"]
    assert (await client.get("/participants/other/badges", headers={"If-None-Match": tag})).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        {"earned_only": "maybe"},
        {"earned_only": ""},
        {"badge_codes": ",".join(f"code_{number}" for number in range(101))},
    ],
)
async def test_query_that_does_not_fit_is_422(query: dict[str, str], client: httpx.AsyncClient) -> None:
    answer = await client.get(LIST, params=query)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "validation_error"
    assert answer.json()["errors"][0]["loc"] == ["query", *query]


IDS = [
    "a/b",
    "/",
    ".",
    "..",
    "../..",
    "a%2Fb",
    "%",
    "%zz",
    "a b",
    "a+b",
    "?a=b#c",
    "a;b=c",
    "\n",
    "\r\nX: y",
    "\x01\x7f",
    "é",
    "e\u0301",
    "🏅" * 255,
    "\u2028\ufeff",
    "' OR 1=1 --",
    "badges",
    "user_123/badges",
]


@pytest.mark.parametrize("participant_id", IDS)
async def test_whatever_can_be_awarded_can_be_listed(
    participant_id: str,
    client: httpx.AsyncClient,
    shared: Shared,
    tenant: Tenant,
) -> None:
    earned_at = await award(client, participant_id)
    encoded = "".join(f"%{byte:02X}" for byte in participant_id.encode())
    for segment in {encoded, quote(participant_id, safe="")}:
        target = f"/api/v1/gamify/participants/{segment}/badges?earned_only=true"
        status, listed = raw_get(shared.api_url, target, tenant.key)
        assert (status, listed["participant_id"]) == (200, participant_id)
        assert [row["earned_at"] for row in listed["badges"]] == [earned_at]


async def test_dots_in_a_path_are_taken_as_they_are(
    client: httpx.AsyncClient,
    shared: Shared,
    tenant: Tenant,
) -> None:
    await award(client, "..")
    status, listed = raw_get(shared.api_url, "/api/v1/gamify/participants/../badges", tenant.key)
    assert (status, listed["participant_id"], listed["earned_count"]) == (200, "..", 1)


@pytest.mark.parametrize("segment", ["%00", "a%00b", "%FF", "%ED%A0%80", "%C3", "x" * 256, "%F0%9F%8F%85" * 256])
async def test_path_that_can_be_no_id_is_422(
    segment: str,
    shared: Shared,
    tenant: Tenant,
) -> None:
    status, problem = raw_get(shared.api_url, f"/api/v1/gamify/participants/{segment}/badges", tenant.key)
    assert (status, problem["code"]) == (422, "validation_error")
    assert problem["errors"][0]["loc"] == ["path", "participant_id"]


async def test_list_needs_a_key(shared: Shared) -> None:
    async with shared.client() as stranger:
        answer = await stranger.get(LIST, params={"earned_only": "maybe"})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


async def test_live_and_test_share_nothing(
    client: httpx.AsyncClient,
    shared: Shared,
    tenant: Tenant,
    sandbox: Tenant,
) -> None:
    await tenant.define("only_live")
    await award(client)
    async with shared.client(sandbox.key) as testing:
        assert await codes(testing) == ["first_steps", "power_user"]
        assert await codes(testing, earned_only="true") == []


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/participants/user_123", 404, "not_found"),
        ("GET", "/participants/a/b/badges", 404, "not_found"),
        ("GET", "/participants/user_123/badges/", 404, "not_found"),
        ("GET", "/../../nothing", 404, "not_found"),
        ("GET", AWARD, 405, "method_not_allowed"),
        ("DELETE", AWARD, 405, "method_not_allowed"),
        ("POST", LIST, 405, "method_not_allowed"),
        ("PUT", "/admin/badges", 405, "method_not_allowed"),
    ],
)
async def test_unknown_paths_and_methods_are_problems_too(
    method: str, path: str, status: int, code: str, client: httpx.AsyncClient
) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert isinstance(problem["detail"], str)
    assert ("Allow" in answer.headers) is (status == 405)
