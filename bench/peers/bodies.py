"""What comes in and goes out over HTTP and Kafka: the same fields as ours."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field


class AwardBody(BaseModel):
    """The body of an award call."""

    participant_id: str = Field(min_length=1, max_length=255)
    badge_code: str = Field(min_length=1, max_length=50)
    metadata: dict[str, Any] | None = None


class AwardAnswer(BaseModel):
    """The answer to an award call."""

    participant_id: str
    badge_code: str
    badge_name: str
    icon: str | None
    rarity: str
    earned_at: datetime
    already_earned: bool


class AwardRequested(BaseModel):
    """The value of a record on `award_requests`."""

    tenant_id: UUID
    participant_id: str = Field(min_length=1, max_length=255)
    badge_code: str = Field(min_length=1, max_length=50)
    metadata: dict[str, Any] | None = None
    earned_at: datetime


class BadgeAwarded(BaseModel):
    """The value of a record on `badge_awarded`."""

    tenant_id: UUID
    participant_id: str
    badge_id: UUID
    badge_code: str
    badge_name: str
    rarity: str
    icon: str | None
    category: str | None
    earned_at: datetime
    metadata: dict[str, Any] | None
    request_id: str
    source: str

    @property
    def key(self) -> bytes:
        """The record's key: all events of one participant in order."""
        return f"{self.tenant_id}:{self.participant_id}".encode()

    @property
    def value(self) -> bytes:
        """The record's value."""
        return self.model_dump_json().encode()
