"""Answers to waiting gateways: what the worker writes is what the gateway reads."""

from datetime import timedelta

import pytest

from builders import NOON, TENANT, award_request, badge
from domain.awards import Answer, Award, Awarded, Outcome, Rejected, RejectionReason, ReplyAddress
from domain.errors import DomainError
from messaging.award_outcomes import AwardedAnswer, RejectedAnswer, decode_outcomes, encode_outcomes


def awarded(*, already_earned: bool) -> Awarded:
    """The outcome of a request for power_user."""
    request = award_request(earned_at=NOON + timedelta(microseconds=7))
    power_user = badge(name="Power „User“ 🏅", icon_url=None)
    award = Award(
        tenant_id=TENANT,
        participant_id=request.participant_id,
        badge_id=power_user.id,
        earned_at=request.earned_at,
        metadata=None,
        request_id=request.request_id,
        source="",
    )
    return Awarded(award=award, badge=power_user, already_earned=already_earned)


def answer(request_id: str, outcome: Outcome) -> Answer:
    """An outcome on its way."""
    return Answer(reply_to=ReplyAddress(partition=0, request_id=request_id), outcome=outcome)


def test_answers_are_read_as_they_were_written() -> None:
    first, repeat = awarded(already_earned=False), awarded(already_earned=True)
    rejected = Rejected(reason=RejectionReason.BADGE_NOT_FOUND, detail="Badge 'x' not found")
    value = encode_outcomes([answer("ü", first), answer("b", repeat), answer("c", rejected)])
    assert decode_outcomes(value) == {
        "ü": AwardedAnswer(
            badge_name="Power „User“ 🏅",
            icon=None,
            rarity=first.badge.rarity,
            earned_at=NOON + timedelta(microseconds=7),
            already_earned=False,
        ),
        "b": AwardedAnswer(
            badge_name=repeat.badge.name,
            icon=repeat.badge.icon_url,
            rarity=repeat.badge.rarity,
            earned_at=repeat.award.earned_at,
            already_earned=True,
        ),
        "c": RejectedAnswer(reason=RejectionReason.BADGE_NOT_FOUND, detail="Badge 'x' not found"),
    }


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"null",
        b'{"r":null}',
        b'{"r":5}',
        b'{"r":"reason"}',
        b'{"r":[]}',
        b'{"r":{}}',
        b'{"r":{"reason":"no such reason","detail":""}}',
        b'{"r":{"reason":[],"detail":""}}',
        b'{"r":{"reason":"too_large"}}',
        b'{"r":{"badge_name":"x","icon":null,"rarity":"mythic","earned_at":"2026-02-14T12:00:00Z","already_earned":true}}',
        b'{"r":{"badge_name":"x","icon":null,"rarity":"rare","earned_at":"yesterday","already_earned":true}}',
    ],
)
def test_record_of_others_is_refused_in_a_way_the_reader_survives(value: bytes) -> None:
    with pytest.raises((DomainError, KeyError, ValueError)):
        decode_outcomes(value)
