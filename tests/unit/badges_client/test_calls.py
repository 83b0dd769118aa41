import json
from typing import Any
from urllib.parse import parse_qs, unquote
from uuid import UUID

import httpx
import pytest

from badges_client import BadgesClient, ValidationFailed
from both_clients import Clients, both
from stand_in_gateway import AWARD, DEFINITION, KEY, StandInGateway

BADGE_ID = UUID("22222222-2222-4222-8222-222222222222")
NOBODY = {"participant_id": "u", "badges": [], "total": 0, "earned_count": 0}


@both
@pytest.mark.parametrize(
    "participant_id",
    [
        "user_1",
        ".",
        "..",
        "...",
        "a/b",
        "%2F",
        "ü …",
        "x\ny",
        "\r\nX: y",
        "\x01\x7f",
        "../admin",
        "?q#f",
        "a.b",
        "🏅" * 255,
    ],
)
async def test_every_id_reaches_the_gateway_as_one_segment(kind: Clients, participant_id: str) -> None:
    gateway = StandInGateway(httpx.Response(200, json=NOBODY))
    await gateway.call(kind, "participant_badges", participant_id)
    before, segment, after = gateway.requests[0].url.raw_path.decode().removeprefix("/api/v1/gamify/").split("/")
    assert (before, after) == ("participants", "badges")
    assert segment not in {".", ".."}
    assert unquote(segment, errors="strict") == participant_id


async def test_what_is_no_text_is_left_for_the_gateway_to_refuse() -> None:
    gateway = StandInGateway(httpx.Response(200, json=NOBODY), httpx.Response(200, json=dict(AWARD)))
    await gateway.call(BadgesClient, "participant_badges", "\ud800", badge_codes=["\udfff"])
    assert gateway.requests[0].url.raw_path.endswith(b"/%ED%A0%80/badges?badge_codes=%ED%BF%BF")
    await gateway.call(BadgesClient, "award", "\ud800", "power_user")
    assert b'"\xed\xa0\x80"' in gateway.requests[1].content


@both
@pytest.mark.parametrize(("participant_id", "at_fault"), [("", "must not be empty"), ("x" * 70_000, "too long")])
async def test_id_that_no_path_can_hold_is_refused_unsent(kind: Clients, participant_id: str, at_fault: str) -> None:
    gateway = StandInGateway(httpx.Response(500))
    with pytest.raises(ValidationFailed, match=at_fault) as failed:
        await gateway.call(kind, "participant_badges", participant_id)
    assert (failed.value.status, failed.value.code, gateway.requests) == (None, "validation_error", [])


def test_one_text_for_several_codes_is_the_programs_fault() -> None:
    with BadgesClient("http://gateway", KEY) as client, pytest.raises(TypeError, match="several"):
        client.participant_badges("u", badge_codes="power_user")


SENT: list[tuple[str, tuple[Any, ...], dict[str, Any], str, Any]] = [
    ("award", ("u", "b"), {}, "POST /badges/award", {"participant_id": "u", "badge_code": "b"}),
    (
        "award",
        ("u", "b", {"é": 1}),
        {},
        "POST /badges/award",
        {"participant_id": "u", "badge_code": "b", "metadata": {"é": 1}},
    ),
    ("participant_badges", ("u",), {}, "GET /participants/u/badges", None),
    (
        "participant_badges",
        ("u",),
        {"earned_only": True, "badge_codes": ("a b", "c+d")},
        "GET /participants/u/badges?earned_only=true&badge_codes=a%20b%2Cc%2Bd",
        None,
    ),
    (
        "participant_badges",
        ("u",),
        {"badge_codes": ("a,b", " a", '"q"', 'say "hi"')},
        "GET /participants/u/badges?badge_codes=%22a%2Cb%22%2C%22%20a%22%2C%22%22%22q%22%22%22%2Csay%20%22hi%22",
        None,
    ),
    ("participant_badges", ("u",), {"badge_codes": []}, "GET /participants/u/badges?badge_codes=", None),
    ("list_badges", (), {}, "GET /admin/badges?page=1&page_size=50", None),
    (
        "list_badges",
        (),
        {"category": "é&", "is_active": False, "page": 2, "page_size": 7},
        "GET /admin/badges?page=2&page_size=7&category=%C3%A9%26&is_active=false",
        None,
    ),
    (
        "create_badge",
        ("c", "n"),
        {"rarity": "epic"},
        "POST /admin/badges",
        {"code": "c", "name": "n", "rarity": "epic"},
    ),
    ("get_badge", (BADGE_ID,), {}, f"GET /admin/badges/{BADGE_ID}", None),
    ("update_badge", (BADGE_ID,), {}, f"PATCH /admin/badges/{BADGE_ID}", {}),
    (
        "update_badge",
        (BADGE_ID,),
        {"category": None, "is_active": True},
        f"PATCH /admin/badges/{BADGE_ID}",
        {"category": None, "is_active": True},
    ),
    ("deactivate_badge", (BADGE_ID,), {}, f"DELETE /admin/badges/{BADGE_ID}", None),
]
ANSWER = (
    dict(DEFINITION)
    | dict(AWARD)
    | {"badges": [], "total": 0, "earned_count": 0, "items": [], "page": 1, "page_size": 1, "message": ""}
)


@both
@pytest.mark.parametrize(("name", "arguments", "named", "line", "body"), SENT)
async def test_calls_are_sent_as_the_contract_says(
    kind: Clients, name: str, arguments: tuple[Any, ...], named: dict[str, Any], line: str, body: object
) -> None:
    gateway = StandInGateway(httpx.Response(200, json=ANSWER))
    await gateway.call(kind, name, *arguments, **named)
    (request,) = gateway.requests
    method, target = line.split()
    assert (request.method, request.url.raw_path.decode()) == (method, f"/api/v1/gamify{target}")
    assert request.headers["X-API-Key"] == KEY
    assert request.headers.get("Content-Type") == (None if body is None else "application/json")
    assert "Prefer" not in request.headers
    assert (json.loads(request.content) if request.content else None) == body


@both
async def test_request_for_an_award_prefers_not_to_wait(kind: Clients) -> None:
    gateway = StandInGateway(httpx.Response(202, json=ANSWER))
    await gateway.call(kind, "request_award", "u", "b", {"a": 1})
    assert gateway.requests[0].headers["Prefer"] == "respond-async"
    assert gateway.body == {"participant_id": "u", "badge_code": "b", "metadata": {"a": 1}}


@both
async def test_all_badges_go_through_every_page(kind: Clients) -> None:
    pages = [
        httpx.Response(
            200,
            json={"items": [dict(DEFINITION, code=f"{number}")], "total": 201, "page": number, "page_size": 100},
        )
        for number in (1, 2, 3)
    ]
    gateway = StandInGateway(*pages)
    found = await gateway.call(kind, "all_badges", is_active=True, category="c")
    assert [badge.code for badge in found] == ["1", "2", "3"]
    asked = [parse_qs(request.url.query.decode()) for request in gateway.requests]
    filters = {"page_size": ["100"], "category": ["c"], "is_active": ["true"]}
    assert asked == [{"page": [str(number)], **filters} for number in (1, 2, 3)]


@both
async def test_pages_that_dwindle_meanwhile_come_to_an_end(kind: Clients) -> None:
    gateway = StandInGateway(httpx.Response(200, json={"items": [], "total": 500, "page": 1, "page_size": 100}))
    assert await gateway.call(kind, "all_badges") == []
    assert len(gateway.requests) == 1


@pytest.mark.parametrize("changes", [{"nmae": "x"}, {"code": "x"}])
def test_field_that_cannot_be_changed_is_the_programs_fault(changes: dict[str, Any]) -> None:
    with BadgesClient("http://gateway", KEY) as client, pytest.raises(TypeError, match=next(iter(changes))):
        client.update_badge(BADGE_ID, **changes)
