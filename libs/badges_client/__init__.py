"""A typed client of the Badges API. It needs httpx and nothing else, no other package of this project either."""

from badges_client.asynchronous import AsyncBadgesClient
from badges_client.errors import (
    AwardPending,
    BadgeCodeConflict,
    BadgeNotFound,
    BadgesError,
    ConnectionFailed,
    FieldError,
    Forbidden,
    RateLimited,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    ValidationFailed,
)
from badges_client.fields import BadgeChanges, BadgeOptions, Rarity
from badges_client.results import (
    AcceptedAward,
    Award,
    BadgeDefinition,
    BadgePage,
    ParticipantBadge,
    ParticipantBadges,
)
from badges_client.retries import Retries
from badges_client.synchronous import BadgesClient

__all__ = [
    "AcceptedAward",
    "AsyncBadgesClient",
    "Award",
    "AwardPending",
    "BadgeChanges",
    "BadgeCodeConflict",
    "BadgeDefinition",
    "BadgeNotFound",
    "BadgeOptions",
    "BadgePage",
    "BadgesClient",
    "BadgesError",
    "ConnectionFailed",
    "FieldError",
    "Forbidden",
    "ParticipantBadge",
    "ParticipantBadges",
    "Rarity",
    "RateLimited",
    "Retries",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "ValidationFailed",
]
