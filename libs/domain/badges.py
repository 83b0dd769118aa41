"""Badge definitions."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class Rarity(StrEnum):
    """How rare a badge is, as products show it."""

    COMMON = "common"
    UNCOMMON = "uncommon"
    RARE = "rare"
    EPIC = "epic"
    LEGENDARY = "legendary"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBadge:
    """What a tenant says of a badge when it defines it."""

    code: str
    name: str
    description: str | None = None
    icon_url: str | None = None
    badge_color: str | None = None
    rarity: Rarity = Rarity.COMMON
    category: str | None = None
    is_hidden: bool = False
    display_order: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge(NewBadge):
    """A badge definition as it stands. `code` never changes and is unique per tenant for ever."""

    id: UUID
    tenant_id: UUID
    is_active: bool
    created_at: datetime
    updated_at: datetime


class ParticipantBadge(NamedTuple):
    """One row of a participant's list: a badge, and when it was earned (None: not yet)."""

    code: str
    name: str
    description: str | None
    icon_url: str | None
    rarity: Rarity
    category: str | None
    earned_at: datetime | None


class EarnedBadge(NamedTuple):
    """A badge as it is now, and when and by which request a participant earned it."""

    name: str
    icon_url: str | None
    rarity: Rarity
    is_active: bool
    earned_at: datetime
    request_id: str
