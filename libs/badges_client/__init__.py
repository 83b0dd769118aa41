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
    ExplainedAward,
    ExplainedBadge,
    ExplainedRejection,
    ExplainedTenant,
    Explanation,
    ParticipantBadge,
    ParticipantBadges,
    RecordPlace,
    RequestsWaiting,
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
    "ExplainedAward",
    "ExplainedBadge",
    "ExplainedRejection",
    "ExplainedTenant",
    "Explanation",
    "FieldError",
    "Forbidden",
    "ParticipantBadge",
    "ParticipantBadges",
    "Rarity",
    "RateLimited",
    "RecordPlace",
    "RequestsWaiting",
    "Retries",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "ValidationFailed",
]
