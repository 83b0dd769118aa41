from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from api.explanation_bodies import ExplanationResponse
from builders import NOON, TENANT, badge
from domain.awards import RejectionReason
from domain.explanation_facts import explanation_facts
from domain.explanation_notes import notes_on
from domain.explanations import (
    EventState,
    ExplainedAward,
    ExplainedRejection,
    Explanation,
    ExplanationStatus,
    RecordPlace,
    RequestsWaiting,
    Way,
    close_codes,
    explain,
)
from domain.request_sources import GATEWAY_SOURCE, key_of_source, key_source
from domain.tenants import Environment, Tenant

KEY = UUID("33333333-3333-4333-8333-333333333333")
PLACE = RecordPlace(topic="award_requests", partition=0, offset=7)
NOBODY_WAITS = RequestsWaiting(total=0, partition=0, in_partition=0, of_participant=0)


def explanation(**changes: Any) -> Explanation:
    """Of a pair never seen, whose badge is there and active."""
    tenant = Tenant(id=TENANT, slug="acme", environment=Environment.LIVE, is_enabled=True, created_at=NOON)
    fields: dict[str, Any] = {
        "tenant_id": TENANT,
        "tenant": tenant,
        "participant_id": "user_123",
        "badge_code": "power_user",
        "badge": badge(),
        "close_codes": [],
        "award": None,
        "rejections": [],
        "has_more_rejections": False,
        "waiting": NOBODY_WAITS,
    }
    return Explanation(**fields | changes)


def award(**changes: Any) -> ExplainedAward:
    fields: dict[str, Any] = {
        "earned_at": NOON,
        "recorded_at": NOON + timedelta(milliseconds=4),
        "request_id": "request-1",
        "source": key_source(KEY),
        "key_name": "backend",
        "place": PLACE,
        "event_id": UUID(int=1),
        "event": EventState.EMITTED,
    }
    return ExplainedAward(**fields | changes)


def rejection(**changes: Any) -> ExplainedRejection:
    fields: dict[str, Any] = {
        "reason": RejectionReason.BADGE_NOT_FOUND,
        "detail": "Badge 'power_user' not found",
        "request_id": "request-1",
        "place": PLACE,
        "rejected_at": NOON,
        "redriven_at": None,
    }
    return ExplainedRejection(**fields | changes)


@pytest.mark.parametrize(
    ("found", "order"),
    [([award(), None], "look"), ([None, award()], "look count look"), ([None] * 2, "look count look")],
)
async def test_what_waits_is_counted_between_two_looks_unless_there_is_an_award(
    found: Sequence[ExplainedAward | None], order: str
) -> None:
    awards = iter(found)
    done: list[str] = []

    async def look() -> Explanation:
        done.append("look")
        return explanation(award=next(awards), waiting=None)

    async def count() -> RequestsWaiting:
        done.append("count")
        return NOBODY_WAITS

    async def find_similar() -> Sequence[str]:
        raise AssertionError("the code is known")

    told = await explain(look, count, find_similar)
    assert " ".join(done) == order
    assert (told.waiting is None) is (order == "look")
    assert told.award == found[done.count("look") - 1]


async def test_similar_codes_are_asked_for_once_in_the_end() -> None:
    done: list[str] = []

    async def look() -> Explanation:
        done.append("look")
        return explanation(badge=None)

    async def count() -> None:
        done.append("count")

    async def find_similar() -> Sequence[str]:
        done.append("find")
        return ["first_steps", "power_users"]

    assert (await explain(look, count, find_similar)).close_codes == ["power_users"]
    assert done == ["look", "count", "look", "find"]


def test_award_outweighs_rejections_and_these_outweigh_silence() -> None:
    assert explanation(award=award(), rejections=[rejection()]).status is ExplanationStatus.AWARDED
    assert explanation(rejections=[rejection()]).status is ExplanationStatus.REJECTED
    assert explanation().status is ExplanationStatus.NEVER_SEEN


@pytest.mark.parametrize(
    ("source", "way", "key"),
    [
        (key_source(KEY), Way.HTTP, KEY),
        (GATEWAY_SOURCE, Way.HTTP, None),
        ("/badges/api/keys/", Way.KAFKA, None),
        (f"{key_source(KEY)}/more", Way.KAFKA, None),
        (f"/x{key_source(KEY)}", Way.KAFKA, None),
        (key_source(KEY).upper(), Way.KAFKA, None),
        ("/orders", Way.KAFKA, None),
        ("", Way.KAFKA, None),
    ],
)
def test_source_says_the_way_and_the_key(source: str, way: Way, key: UUID | None) -> None:
    assert (award(source=source).came_over, award(source=source).key_id) == (way, key)
    assert key_of_source(source) == key


def test_close_codes_are_what_a_slip_may_have_meant() -> None:
    codes = ["power_user", "power_users", "night_owl", "first_steps"]
    assert close_codes("Power_Usr", codes)[0] == "power_user"
    assert set(close_codes("poweruser", codes)) == {"power_user", "power_users"}
    assert close_codes("POWER_USER", codes)[0] == "power_user"
    assert close_codes("zzz", codes) == []
    assert close_codes("a", ["A", "a"]) == ["A", "a"]
    assert len(close_codes("code_1", [f"code_{n}" for n in range(10)])) == 5


@pytest.mark.parametrize(
    ("found", "note"),
    [
        (explanation(award=award(event=EventState.WAITING)), "waits in the outbox"),
        (explanation(award=award(event=EventState.BEING_PUBLISHED)), "being published"),
        (explanation(award=award()), "on badge_awarded"),
        (explanation(award=award(key_name=None)), f"{KEY}, which is not one of the tenant's"),
        (explanation(award=award(place=None)), "older than the record of places"),
        (explanation(award=award(), badge=badge(is_active=False)), "deactivated since"),
        (explanation(tenant=None, badge=None), f"No tenant has the id {TENANT}"),
        (explanation(badge=None, close_codes=["a", "b"]), "Close to it: a, b."),
        (explanation(badge=badge(is_active=False)), "not active"),
        (explanation(rejections=[rejection()]), "holds no longer"),
        (explanation(rejections=[rejection(redriven_at=NOON)]), "published again since"),
        (explanation(waiting=None), "Kafka did not tell"),
        (
            explanation(waiting=replace(NOBODY_WAITS, total=9, in_partition=2, of_participant=None)),
            "at most 9, of them 2",
        ),
        (explanation(waiting=replace(NOBODY_WAITS, total=9, of_participant=2)), "that wait in the log: 2."),
        (explanation(waiting=replace(NOBODY_WAITS, total=9)), "Of all tenants: at most 9."),
        (explanation(), "No request waits in the log."),
    ],
)
def test_notes_say_what_follows(found: Explanation, note: str) -> None:
    assert sum(note in said for said in notes_on(found)) == 1


def test_reason_of_a_newer_release_is_told_as_it_is() -> None:
    told = explanation_facts(explanation(rejections=[rejection(reason="of_the_next_release")]))
    assert [one.reason for one in ExplanationResponse.model_validate(told).rejections] == ["of_the_next_release"]


def test_rejection_that_would_come_again_promises_nothing() -> None:
    for found in (
        explanation(rejections=[rejection(reason=RejectionReason.SCHEMA_VIOLATION)]),
        explanation(rejections=[rejection()], badge=None),
        explanation(rejections=[rejection()], badge=badge(is_active=False)),
    ):
        assert not any("holds no longer" in said for said in notes_on(found))
