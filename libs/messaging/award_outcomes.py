"""Records of `award_outcomes`: the worker's answers to whoever waits. Internal, best effort.

One record holds the answers of one batch for one reply partition, as JSON.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.awards import Answer, Awarded, Outcome, RejectionReason
from domain.badges import Rarity
from domain.times import format_instant, parse_instant
from messaging.json_bytes import read_json, write_json


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardedAnswer:
    """The award was made, or had been made before."""

    badge_name: str
    icon: str | None
    rarity: Rarity
    earned_at: datetime
    already_earned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedAnswer:
    """The request was dead-lettered."""

    reason: RejectionReason
    detail: str


def encode_outcomes(answers: Iterable[Answer]) -> bytes:
    """Encode the answers for one reply partition as the value of one record."""
    outcomes = {answer.reply_to.request_id: _outcome(answer.outcome) for answer in answers}
    return write_json(outcomes)


def decode_outcomes(value: bytes) -> Mapping[str, AwardedAnswer | RejectedAnswer]:
    """Decode a record's value: answers by request id.

    Raises:
        DomainError, KeyError, ValueError: not a record of ours.
    """
    content = read_json(value)
    if not isinstance(content, dict):
        raise ValueError("outcomes must be an object")  # noqa: TRY004 - one kind of failure
    return {request_id: _answer(outcome) for request_id, outcome in content.items()}


def _outcome(outcome: Outcome) -> dict[str, object]:
    if isinstance(outcome, Awarded):
        return {
            "badge_name": outcome.badge.name,
            "icon": outcome.badge.icon_url,
            "rarity": outcome.badge.rarity.value,
            "earned_at": format_instant(outcome.award.earned_at),
            "already_earned": outcome.already_earned,
        }
    return {"reason": outcome.reason.value, "detail": outcome.detail}


def _answer(outcome: Any) -> AwardedAnswer | RejectedAnswer:  # noqa: ANN401 - whatever the record holds
    if not isinstance(outcome, dict):
        raise ValueError("an outcome must be an object")  # noqa: TRY004 - one kind of failure
    if "reason" in outcome:
        return RejectedAnswer(reason=RejectionReason(outcome["reason"]), detail=str(outcome["detail"]))
    icon = outcome["icon"]
    return AwardedAnswer(
        badge_name=str(outcome["badge_name"]),
        icon=None if icon is None else str(icon),
        rarity=Rarity(outcome["rarity"]),
        earned_at=parse_instant("earned_at", outcome["earned_at"]),
        already_earned=outcome["already_earned"] is True,
    )
