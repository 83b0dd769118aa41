"""Requests for awards, awards, and what became of a request."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple, TypeAlias
from uuid import UUID, uuid5

from domain.badges import Badge, EarnedBadge
from domain.errors import DomainError

AWARD_NAMESPACE = UUID("6f6d1f0c-5d1b-5a0e-9a57-2f4f0f6c8f11")

DETAIL_LENGTH = 500
"""Details quote what strangers sent: so many characters of it are enough."""

AwardKey: TypeAlias = tuple[UUID, str, UUID]
"""Tenant, participant, badge: what makes an award unique."""

TraceHeaders: TypeAlias = tuple[tuple[str, bytes], ...]
"""Headers that carry a request's trace on into what is told of it; none when it is not traced."""


class RejectionReason(StrEnum):
    """Why a request can never succeed. A closed set: `docs/events.md` documents each."""

    MALFORMED_JSON = "malformed_json"
    NOT_UTF8 = "not_utf8"
    UNKNOWN_EVENT_TYPE = "unknown_event_type"
    SCHEMA_VIOLATION = "schema_violation"
    TOO_LARGE = "too_large"
    UNKNOWN_TENANT = "unknown_tenant"
    TENANT_DISABLED = "tenant_disabled"
    BADGE_NOT_FOUND = "badge_not_found"
    EARNED_AT_IN_FUTURE = "earned_at_in_future"


class RequestRejectedError(DomainError):
    """The request can never succeed: dead-letter it."""

    def __init__(self, reason: RejectionReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail[:DETAIL_LENGTH]


class AwardRequest(NamedTuple):
    """A valid request: give the participant the badge with that code.

    `request_id` tells one request from another; a redelivery has the same. `source` is the
    CloudEvents source of whoever asked.
    """

    tenant_id: UUID
    participant_id: str
    badge_code: str
    metadata: dict[str, object] | None
    earned_at: datetime
    request_id: str
    source: str


class Award(NamedTuple):
    """A badge that a participant has, for ever."""

    tenant_id: UUID
    participant_id: str
    badge_id: UUID
    earned_at: datetime
    metadata: dict[str, object] | None
    request_id: str
    source: str

    @property
    def key(self) -> AwardKey:
        """What makes the award unique."""
        return (self.tenant_id, self.participant_id, self.badge_id)


class LogPosition(NamedTuple):
    """Where a record stands in the log. `timestamp_ms` tells two logs of one name apart."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int


class RawRecord(NamedTuple):
    """A record as it came from the log."""

    position: LogPosition
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyAddress:
    """Where somebody waits for the outcome. Untrusted: a bad one costs the answer, no more."""

    partition: int
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LegibleRequest:
    """What could be read of a request that is not valid: each field alone is as it should be."""

    tenant_id: UUID | None = None
    participant_id: str | None = None
    badge_code: str | None = None
    request_id: str | None = None


class ReceivedRequest(NamedTuple):
    """One record of the batch: the request it holds, or why it holds none, and what could be read all the same."""

    record: RawRecord
    content: AwardRequest | RequestRejectedError
    reply_to: ReplyAddress | None
    legible: LegibleRequest = LegibleRequest()
    trace: TraceHeaders = ()

    @property
    def subject(self) -> AwardRequest | LegibleRequest:
        """Whom and what the request is about, as far as is known."""
        return self.content if isinstance(self.content, AwardRequest) else self.legible


class Awarded(NamedTuple):
    """The participant has the badge."""

    award: Award
    badge: Badge
    already_earned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The request can never succeed."""

    reason: RejectionReason
    detail: str


Outcome: TypeAlias = Awarded | Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An outcome on its way to whoever waits for it."""

    reply_to: ReplyAddress
    outcome: Outcome


def is_already_earned(award: Award | EarnedBadge, request_id: str) -> bool:
    """Whether another request earned the award: a redelivered first request still hears `false`."""
    return award.request_id != request_id


def award_event_id(key: AwardKey) -> UUID:
    """The id of the award's event: the same award always has the same id (UUIDv5)."""
    tenant_id, participant_id, badge_id = key
    return uuid5(AWARD_NAMESPACE, f"{text_of_id(tenant_id)}:{text_of_id(badge_id)}:{participant_id}")


@lru_cache(maxsize=4096)
def text_of_id(number: UUID) -> str:
    """A tenant's or a badge's id as text, remembered: each is written again and again."""
    return str(number)
