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
class Done:
    """The answer to what has no result."""

    message: str
