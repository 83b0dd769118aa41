"""What a badge definition can be given, by name."""

from typing import Literal, TypeAlias, TypedDict

Rarity: TypeAlias = Literal["common", "uncommon", "rare", "epic", "legendary"]
"""What may be sent. Results hold `str`: a later gateway may know more."""


class BadgeOptions(TypedDict, total=False):
    """The optional fields of a new badge."""

    description: str | None
    icon_url: str | None
    badge_color: str | None
    rarity: Rarity
    category: str | None
    is_hidden: bool
    display_order: int


class BadgeChanges(BadgeOptions, total=False):
    """What can be changed of a badge: a field that is absent stays as it is, None clears it."""

    name: str
    is_active: bool
