import pickle
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest

from badges_client import (
    Award,
    AwardPending,
    BadgeCodeConflict,
    BadgeDefinition,
    BadgeNotFound,
    BadgesClient,
    BadgesError,
    ConnectionFailed,
    FieldError,
    Forbidden,
    ParticipantBadge,
    ParticipantBadges,
    RateLimited,
    Retries,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    ValidationFailed,
)
from stand_in_gateway import AWARD, DEFINITION, StandInGateway, problem

ONCE = Retries(attempts=1)


async def award(reply: httpx.Response | Exception) -> Any:
    return await StandInGateway(reply).call(BadgesClient, "award", "user_123", "power_user", retries=ONCE)


async def test_award_is_typed() -> None:
    found = await award(httpx.Response(200, json=dict(AWARD)))
    assert found == Award(
        participant_id="user_123",
        badge_code="power_user",
        badge_name="Power User",
        rarity="rare",
        earned_at=datetime(2026, 2, 14, 10, tzinfo=UTC),
    )
    with pytest.raises(FrozenInstanceError):
        found.rarity = "epic"


async def test_definition_is_typed() -> None:
    gateway = StandInGateway(httpx.Response(200, json=dict(DEFINITION)))
    badge_id = UUID(str(DEFINITION["id"]))
    assert await gateway.call(BadgesClient, "get_badge", badge_id) == BadgeDefinition(
        id=badge_id,
        tenant_id=UUID("11111111-1111-4111-8111-111111111111"),
        code="power_user",
        name="Power User",
        rarity="rare",
        is_active=True,
        is_hidden=False,
        display_order=10,
        created_at=datetime(2026, 1, 10, 8, tzinfo=UTC),
        updated_at=datetime(2026, 2, 12, 15, 30, 0, 1, tzinfo=UTC),
    )


async def test_fields_of_the_future_are_passed_over_and_absent_optional_ones_have_their_defaults() -> None:
    row = {"code": "c", "name": "n", "surprise": {}}
    answer = {"participant_id": "u", "badges": [row], "total": 1, "earned_count": 0, "surprise": [1]}
    found = await StandInGateway(httpx.Response(200, json=answer)).call(BadgesClient, "participant_badges", "u")
    assert found == ParticipantBadges(
        participant_id="u", badges=(ParticipantBadge(code="c", name="n"),), total=1, earned_count=0
    )
    assert (found.badges[0].rarity, found.badges[0].earned, found.badges[0].earned_at) == ("common", False, None)
    assert (await award(httpx.Response(200, json=dict(AWARD, rarity="mythic")))).rarity == "mythic"


@pytest.mark.parametrize("earned_at", ["2026-02-14T10:00:00.25Z", "2026-02-14T12:00:00.250000+02:00"])
async def test_instants_are_in_utc(earned_at: str) -> None:
    found = (await award(httpx.Response(200, json=dict(AWARD, earned_at=earned_at)))).earned_at
    assert (found, found.tzinfo) == (datetime(2026, 2, 14, 10, 0, 0, 250_000, tzinfo=UTC), UTC)


@pytest.mark.parametrize(
    ("change", "at_fault"),
    [
        ({"earned_at": "2026-02-14T10:00:00"}, "earned_at: an instant without a zone"),
        ({"earned_at": "0001-01-01T00:00:00+14:00"}, "earned_at: "),
        ({"earned_at": 5}, "earned_at: int for str"),
        ({"earned_at": None}, "earned_at: NoneType for str"),
        ({"already_earned": 1}, "already_earned: int for bool"),
        ({"badge_name": None}, "badge_name: NoneType for str"),
    ],
)
async def test_answer_of_another_shape_is_said_to_be_none(change: dict[str, object], at_fault: str) -> None:
    with pytest.raises(UnexpectedAnswer, match=at_fault) as unexpected:
        await award(httpx.Response(200, json=dict(AWARD) | change))
    assert (unexpected.value.status, unexpected.value.code) == (200, "unexpected_answer")


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(200),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[1]),
        httpx.Response(200, json={}),
        httpx.Response(200, text="[" * 100_000),
        httpx.Response(200, content=b"\xff"),
        httpx.Response(204),
        httpx.Response(302, headers={"Location": "http://elsewhere"}),
        httpx.Response(404, text="Not Found"),
        httpx.Response(404, json=["detail"]),
        httpx.Response(404, json={"detail": "Not Found"}),
        httpx.Response(599),
    ],
)
async def test_answer_of_somebody_else_is_unexpected(reply: httpx.Response) -> None:
    with pytest.raises(UnexpectedAnswer) as unexpected:
        await award(reply)
    assert unexpected.value.status == reply.status_code
    assert unexpected.value.detail


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (problem(401, "unauthorized"), Unauthorized),
        (problem(403, "forbidden"), Forbidden),
        (problem(404, "badge_not_found"), BadgeNotFound),
        (problem(404, "not_found"), BadgesError),
        (problem(400, "badge_code_conflict"), BadgeCodeConflict),
        (problem(413, "payload_too_large"), BadgesError),
        (problem(422, "validation_error"), ValidationFailed),
        (problem(429, "RATE_LIMIT_PARTICIPANT_EXCEEDED"), RateLimited),
        (problem(500, "internal_error"), BadgesError),
        (problem(503, "unavailable"), Unavailable),
        (problem(503, "award_pending"), AwardPending),
    ],
)
async def test_problems_have_their_own_errors(reply: httpx.Response, kind: type[BadgesError]) -> None:
    with pytest.raises(BadgesError) as failed:
        await award(reply)
    error, said = failed.value, reply.json()
    assert type(error) is kind
    assert (error.status, error.code, error.detail) == (said["status"], said["code"], said["detail"])
    assert str(error) == f"{said['detail']} ({said['status']} {said['code']})"


@pytest.mark.parametrize(
    ("status", "kind"), [(401, Unauthorized), (429, RateLimited), (502, Unavailable), (504, Unavailable)]
)
async def test_proxies_without_our_words_are_understood_by_the_status(status: int, kind: type[BadgesError]) -> None:
    with pytest.raises(kind) as failed:
        await award(httpx.Response(status, text="<html>", headers={"Retry-After": "3"}))
    assert (failed.value.code, failed.value.retry_after) == (f"http_{status}", 3)


async def test_what_is_wrong_with_each_value_is_told() -> None:
    errors: list[object] = [
        {"loc": ["body", "metadata", 0], "msg": "is bad", "type": "value_error", "ctx": {}},
        {"loc": "body"},
        7,
    ]
    with pytest.raises(ValidationFailed) as failed:
        await award(httpx.Response(422, json=problem(422, "validation_error").json() | {"errors": errors}))
    assert failed.value.errors == (FieldError(loc=("body", "metadata", 0), msg="is bad", type="value_error"),)


async def test_errors_can_be_pickled() -> None:
    for reply in (problem(429, "slow", Retry_After="7"), httpx.ConnectError("refused")):
        with pytest.raises(BadgesError) as failed:
            await award(reply)
        again = pickle.loads(pickle.dumps(failed.value))  # noqa: S301 - our own
        assert (type(again), vars(again), str(again)) == (type(failed.value), vars(failed.value), str(failed.value))


@pytest.mark.parametrize(
    ("lost", "was_sent"),
    [
        (httpx.ConnectError("refused"), False),
        (httpx.ConnectTimeout(""), False),
        (httpx.PoolTimeout(""), False),
        (httpx.ReadTimeout(""), True),
        (httpx.WriteError("broken"), True),
        (httpx.RemoteProtocolError("gone"), True),
    ],
)
async def test_lost_connection_says_whether_the_call_may_have_arrived(
    lost: httpx.RequestError, *, was_sent: bool
) -> None:
    with pytest.raises(ConnectionFailed) as failed:
        await award(lost)
    assert (failed.value.was_sent, failed.value.status, failed.value.code) == (was_sent, None, "connection_failed")
    assert failed.value.detail
