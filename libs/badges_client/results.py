"""What the gateway answers, typed. Every `datetime` is in UTC, with its zone."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Award:
    """A badge that a participant has; it is committed.

    `earned_at` is when it was first earned. `already_earned` is true if the participant had it
    before this try: after a repeated call that may be the call's own first try.
    """

    participant_id: str
    badge_code: str
    badge_name: str
    icon: str | None = None
    rarity: str = "common"
    earned_at: datetime
    already_earned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedAward:
    """A request for an award that is in the log; the badge will be awarded."""

    participant_id: str
    badge_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantBadge:
    """One badge in a participant's list, earned or not."""

    code: str
    name: str
    description: str | None = None
    icon: str | None = None
    rarity: str = "common"
    category: str | None = None
    earned: bool = False
    earned_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantBadges:
    """A participant's list, by `display_order`, then `code`."""

    participant_id: str
    badges: tuple[ParticipantBadge, ...]
    total: int
    earned_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BadgeDefinition:
    """A badge as it is defined."""

    id: UUID
    tenant_id: UUID
    code: str
    name: str
    description: str | None = None
    icon_url: str | None = None
    badge_color: str | None = None
    rarity: str = "common"
    category: str | None = None
    is_active: bool
    is_hidden: bool
    display_order: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BadgePage:
    """One page of definitions; `total` is how many match in all."""

    items: tuple[BadgeDefinition, ...]
    total: int
    page: int
    page_size: int

    @property
    def next_page(self) -> int | None:
        """The number of the page after this one; None when this is the last."""
        return self.page + 1 if self.items and self.page * self.page_size < self.total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedTenant:
    """The environment that an explained pair belongs to."""

    slug: str
    environment: str
    is_enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedBadge:
    """The definition as it stands."""

    id: UUID
    name: str
    is_active: bool
    is_hidden: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPlace:
    """Where a request stands in the log."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedAward:
    """An award, the request that earned it, and its event.

    `came_over`: `http` or `kafka`. `event`: `emitted`, `being_published` or `waiting`.
    """

    earned_at: datetime
    recorded_at: datetime
    request_id: str
    came_over: str
    source: str
    key_id: UUID | None = None
    key_name: str | None = None
    place: RecordPlace | None = None
    event_id: UUID
    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedRejection:
    """A request for the pair that was dead-lettered; `reason` is one of `docs/events.md`."""

    reason: str
    detail: str
    request_id: str | None = None
    place: RecordPlace
    rejected_at: datetime
    redriven_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsWaiting:
    """How many requests, of all tenants, no worker has done yet, at most; `partition` is the participant's.

    So many of those there are the participant's own: `of_participant`, None where they were too many to look through.
    """

    total: int
    partition: int
    in_partition: int
    of_participant: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a participant has a badge, or has it not.

    `status`: `awarded`, `rejected` or `never_seen`. `badge` is None if the tenant has no such code; `close_codes`
    are then those that look like it. `rejections` are the newest. `waiting` is None if the badge is awarded, or if
    Kafka did not tell. `notes` say for people what follows from it.
    """

    status: str
    participant_id: str
    badge_code: str
    tenant_id: UUID
    tenant: ExplainedTenant | None = None
    badge: ExplainedBadge | None = None
    close_codes: tuple[str, ...] = ()
    award: ExplainedAward | None = None
    rejections: tuple[ExplainedRejection, ...] = ()
    has_more_rejections: bool = False
    waiting: RequestsWaiting | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The answer to what has no result."""

    message: str
