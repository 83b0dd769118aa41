"""An explanation as it goes out over HTTP; `domain.explanation_facts` makes the values."""

from uuid import UUID

from pydantic import BaseModel, Field

from api.bodies import Instant
from domain.explanation_facts import explanation_facts
from domain.explanations import EventState, Explanation, ExplanationStatus, Way
from domain.tenants import Environment


class ExplainedTenant(BaseModel):
    """The environment that the pair belongs to."""

    slug: str
    environment: Environment
    is_enabled: bool = Field(description="A disabled tenant's requests are refused.")


class ExplainedBadge(BaseModel):
    """The definition as it stands."""

    id: UUID
    name: str
    is_active: bool = Field(description="Only an active badge can be awarded.")
    is_hidden: bool
    created_at: Instant
    updated_at: Instant


class RecordPlace(BaseModel):
    """Where a request stands in the log."""

    topic: str
    partition: int
    offset: int


class ExplainedAward(BaseModel):
    """The award, the request that earned it, and its event."""

    earned_at: Instant = Field(description="When the badge was earned.")
    recorded_at: Instant = Field(description="When the worker recorded the award.")
    request_id: str = Field(description="The request that earned it; also in the event.")
    came_over: Way = Field(description="Whether a gateway or somebody else published the request, as its source says.")
    source: str = Field(description="The CloudEvents source of the request; empty if it had none.")
    key_id: UUID | None = Field(default=None, description="The API key that the source names.")
    key_name: str | None = Field(default=None, description="That key's name; null if it is not one of the tenant's.")
    place: RecordPlace | None = Field(default=None, description="Null for awards of before it was recorded.")
    event_id: UUID = Field(description="The `ce_id` of the award's event on `badge_awarded`.")
    event: EventState = Field(description="`emitted` when the batch it was made with has left the outbox.")


class ExplainedRejection(BaseModel):
    """A request for the pair that was dead-lettered."""

    reason: str = Field(description="As in the dead letter's `dlq_reason`; a newer release may know more of them.")
    detail: str = Field(description="What was wrong, for people.")
    request_id: str | None = None
    place: RecordPlace
    rejected_at: Instant
    redriven_at: Instant | None = Field(
        default=None, description="When the dead letter was published again, if it was."
    )


class RequestsWaiting(BaseModel):
    """How many requests no worker has done yet, at most, of all tenants; and of this participant."""

    total: int = Field(description="Of all tenants.", ge=0)
    partition: int = Field(description="Where the participant's requests stand.", ge=0)
    in_partition: int = Field(description="How many of them wait there.", ge=0)
    of_participant: int | None = Field(
        default=None, description="How many carry the participant's key; null if there are too many to look through."
    )


class ExplanationResponse(BaseModel):
    """All that is known of a participant and a badge code."""

    status: ExplanationStatus
    participant_id: str = Field(description="Echo of the requested participant id.")
    badge_code: str = Field(description="Echo of the requested badge code.")
    tenant_id: UUID
    tenant: ExplainedTenant | None = Field(default=None, description="Never null over HTTP: the key has a tenant.")
    badge: ExplainedBadge | None = Field(default=None, description="Null if the tenant has no such code.")
    close_codes: list[str] = Field(description="If it has none: codes that look like it, likest first.")
    award: ExplainedAward | None = None
    rejections: list[ExplainedRejection] = Field(description="The newest 20 at most, newest first.")
    has_more_rejections: bool = Field(description="Whether there are more than those.")
    waiting: RequestsWaiting | None = Field(
        default=None, description="Null if the badge is awarded, or if Kafka did not tell in time."
    )
    notes: list[str] = Field(description="What follows from it, for people.")


def explanation_response(explanation: Explanation) -> ExplanationResponse:
    """The answer that tells an explanation."""
    return ExplanationResponse.model_validate(explanation_facts(explanation))
