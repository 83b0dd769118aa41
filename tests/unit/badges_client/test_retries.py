import random
from typing import Any
from uuid import uuid4

import httpx
import pytest

from badges_client import (
    AwardPending,
    BadgeCodeConflict,
    BadgesError,
    ConnectionFailed,
    Forbidden,
    RateLimited,
    Retries,
    Unavailable,
    UnexpectedAnswer,
)
from both_clients import Clients, both
from stand_in_gateway import AWARD, DEFINITION, StandInGateway, problem

PENDING = problem(503, "award_pending", Retry_After="1")
REFUSED = httpx.ConnectError("refused")
LOST = httpx.ReadTimeout("")
WANTED = ("user_123", "power_user")
BADGE_ID = uuid4()
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any], dict[str, object]]] = [
    ("award", WANTED, {}, dict(AWARD)),
    ("request_award", WANTED, {}, {"participant_id": "user_123", "badge_code": "power_user", "status": "accepted"}),
    ("participant_badges", ("u",), {}, {"participant_id": "u", "badges": [], "total": 0, "earned_count": 0}),
    ("list_badges", (), {}, {"items": [], "total": 0, "page": 1, "page_size": 50}),
    ("get_badge", (BADGE_ID,), {}, dict(DEFINITION)),
    ("update_badge", (BADGE_ID,), {"name": "New"}, dict(DEFINITION)),
    ("deactivate_badge", (BADGE_ID,), {}, {"message": "Badge deactivated"}),
]


@both
@pytest.mark.parametrize(
    "failure", [PENDING, problem(503, "unavailable"), problem(429, "RATE_LIMIT"), httpx.Response(502), REFUSED, LOST]
)
@pytest.mark.parametrize(("name", "arguments", "named", "answer"), CALLS, ids=[call[0] for call in CALLS])
async def test_what_may_be_repeated_is(
    kind: Clients,
    failure: httpx.Response | Exception,
    name: str,
    arguments: tuple[Any, ...],
    named: dict[str, Any],
    answer: dict[str, object],
) -> None:
    gateway = StandInGateway(failure, failure, httpx.Response(200, json=answer))
    await gateway.call(kind, name, *arguments, **named)
    first, *more = gateway.requests
    assert len(more) == len(gateway.slept) == 2
    assert {(request.method, request.url, request.content) for request in more} == {
        (first.method, first.url, first.content)
    }


@both
@pytest.mark.parametrize("failure", [REFUSED, httpx.ConnectTimeout(""), httpx.PoolTimeout(""), problem(429, "slow")])
async def test_creation_is_repeated_when_it_cannot_have_happened(kind: Clients, failure: Any) -> None:
    gateway = StandInGateway(failure, httpx.Response(201, json=dict(DEFINITION)))
    assert (await gateway.call(kind, "create_badge", "power_user", "Power User")).code == "power_user"


@both
@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (LOST, ConnectionFailed),
        (httpx.RemoteProtocolError("Server disconnected"), ConnectionFailed),
        (problem(503, "unavailable", Retry_After="1"), Unavailable),
        (httpx.Response(504), Unavailable),
    ],
)
async def test_creation_that_may_have_happened_is_not_repeated(
    kind: Clients, failure: Any, error: type[BadgesError]
) -> None:
    gateway = StandInGateway(failure)
    with pytest.raises(error):
        await gateway.call(kind, "create_badge", "power_user", "Power User")
    assert len(gateway.requests) == 1


@both
@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (problem(403, "forbidden", Retry_After="1"), Forbidden),
        (problem(400, "badge_code_conflict"), BadgeCodeConflict),
        (problem(500, "internal_error"), BadgesError),
        (httpx.Response(200, text="<html>"), UnexpectedAnswer),
        (httpx.DecodingError("not gzip"), UnexpectedAnswer),
    ],
)
async def test_an_answer_that_will_not_change_is_not_asked_for_again(
    kind: Clients, refusal: Any, error: type[BadgesError]
) -> None:
    gateway = StandInGateway(refusal)
    with pytest.raises(error):
        await gateway.call(kind, "award", *WANTED)
    assert (len(gateway.requests), gateway.slept) == (1, [])


@both
async def test_pauses_double_up_to_the_longest_and_attempts_end(kind: Clients) -> None:
    gateway = StandInGateway(REFUSED)
    retries = gateway.retries(attempts=6, first_pause=0.5, longest_pause=3)
    with pytest.raises(ConnectionFailed) as failed:
        await gateway.call(kind, "award", *WANTED, retries=retries)
    assert gateway.slept == [0.5, 1, 2, 3, 3]
    assert len(gateway.requests) == 6
    assert failed.value.was_sent is False
    assert failed.value.__cause__ is REFUSED


def test_pauses_are_spread_between_a_half_and_the_whole() -> None:
    chance = random.Random(7)  # noqa: S311 - a test that repeats itself
    retries = Retries(random=chance.random, first_pause=1, longest_pause=8)
    pauses = [retries.pause(3) for _ in range(1000)]
    assert 2 <= min(pauses) < 2.05
    assert 3.95 < max(pauses) <= 4
    assert retries.pause(10**9) <= 8


@both
@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ({"Retry-After": "2"}, 2),
        ({"Retry-After": "Fri, 13 Feb 2026 10:00:07 GMT", "Date": "Fri, 13 Feb 2026 10:00:00 GMT"}, 7),
        ({"Retry-After": "Fri, 13 Feb 2026 09:00:00 GMT", "Date": "Fri, 13 Feb 2026 10:00:00 GMT"}, 0),
        ({"Retry-After": "Fri, 13 Feb 2026 10:00:07 GMT"}, 0),
        ({"Retry-After": "Fri, 13 Feb 99999999999999 10:00:07 GMT", "Date": "Fri, 13 Feb 2026 10:00:00 GMT"}, 0),
        ({"Retry-After": "-5"}, 0),
        ({"Retry-After": "soon"}, 0),
        ({"Retry-After": ""}, 0),
        ({}, 0),
    ],
)
async def test_retry_after_is_waited_for_and_the_pause_comes_on_top(
    kind: Clients, headers: dict[str, str], asked: float
) -> None:
    gateway = StandInGateway(httpx.Response(503, headers=headers), httpx.Response(200, json=dict(AWARD)))
    await gateway.call(kind, "award", *WANTED)
    assert gateway.slept == [pytest.approx(asked + 0.2)]


@both
async def test_no_sleep_goes_past_the_deadline(kind: Clients) -> None:
    gateway = StandInGateway(problem(429, "RATE_LIMIT_PARTICIPANT_EXCEEDED", Retry_After="60"))
    with pytest.raises(RateLimited) as limited:
        await gateway.call(kind, "award", *WANTED)
    assert (limited.value.retry_after, gateway.slept, len(gateway.requests)) == (60, [], 1)


@both
async def test_tries_end_with_the_deadline_and_have_no_longer_than_is_left(kind: Clients) -> None:
    gateway = StandInGateway(PENDING, try_seconds=4)
    with pytest.raises(AwardPending):
        await gateway.call(kind, "award", *WANTED, retries=gateway.retries(deadline=12, first_pause=0))
    assert [request.extensions["timeout"]["read"] for request in gateway.requests] == [10, 7, 2]


@both
async def test_one_attempt_is_one_try(kind: Clients) -> None:
    gateway = StandInGateway(PENDING)
    with pytest.raises(AwardPending):
        await gateway.call(kind, "award", *WANTED, retries=Retries(attempts=1))
    assert len(gateway.requests) == 1


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"deadline": 0}, {"first_pause": -1}, {"longest_pause": -1}])
def test_policy_that_cannot_be_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        Retries(**wrong)  # type: ignore[arg-type]  # the fields that are numbers
