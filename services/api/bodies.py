"""What goes in and out over HTTP, as documented in the contract."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import Request
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
)
from starlette.requests import ClientDisconnect

from api.problems import (
    field_errors,
    invalid,
    malformed_request,
    payload_too_large,
    unsupported_media_type,
    validation_error,
)
from domain.errors import InvalidValueError
from domain.json_text import parse_json
from domain.limits import (
    BADGE_CODE_LENGTH,
    PARTICIPANT_ID_LENGTH,
    REQUEST_BYTES,
    check_metadata,
    unstorable,
)
from domain.times import format_instant


def _storable(text: str) -> str:
    if problem := unstorable(text):
        raise ValueError(problem)
    return text


def _metadata(value: object) -> object:
    try:
        return check_metadata(value)
    except InvalidValueError as error:
        raise ValueError(error.problem) from error


Text = Annotated[str, AfterValidator(_storable)]
ParticipantId = Annotated[Text, Field(min_length=1, max_length=PARTICIPANT_ID_LENGTH)]
BadgeCode = Annotated[Text, Field(min_length=1, max_length=BADGE_CODE_LENGTH)]
Instant = Annotated[datetime, PlainSerializer(format_instant, return_type=str)]
Metadata = Annotated[dict[str, Any], BeforeValidator(_metadata)]


class AwardBody(BaseModel):
    """Who is to get which badge."""

    model_config = ConfigDict(
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "participant_id": "user_123",
                    "badge_code": "power_user",
                    "metadata": {"trigger": "10th_login"},
                }
            ]
        },
    )

    participant_id: ParticipantId = Field(description="Your participant identifier.")
    badge_code: BadgeCode = Field(description="Code of an active badge definition.")
    metadata: Metadata | None = Field(default=None, description="Free-form context of the award.")


class AwardResponse(BaseModel):
    """The award, as it was first earned."""

    participant_id: str
    badge_code: str
    badge_name: str
    icon: str | None = None
    rarity: str = "common"
    earned_at: Instant = Field(description="When the badge was first earned, not the retry time.")
    already_earned: bool = False


class AcceptedResponse(BaseModel):
    """The request is in the log; the badge will be awarded."""

    participant_id: str
    badge_code: str
    status: str = "accepted"


class ParticipantBadgeEntry(BaseModel):
    """One badge, earned or not."""

    code: str
    name: str
    description: str | None = None
    icon: str | None = None
    rarity: str = "common"
    category: str | None = None
    earned: bool = False
    earned_at: Instant | None = None


class ParticipantBadges(BaseModel):
    """A participant's list, by `display_order`, then `code`."""

    participant_id: str
    badges: list[ParticipantBadgeEntry]
    total: int = Field(description="Number of rows returned.")
    earned_count: int = Field(description="How many of them are earned.")


Body = TypeVar("Body", bound=BaseModel)


def json_body(model: type[Body]) -> Callable[[Request], Awaitable[Body]]:
    """Make the dependency that reads a JSON body of at most 64 KiB.

    FastAPI's own reading would come before the key is checked, and knows no limit.
    """

    async def read(request: Request) -> Body:
        _check_media_type(request.headers.get("content-type", ""))
        value = parse_json(await _limited(request))
        try:
            return model.model_validate(value)
        except ValidationError as error:
            raise validation_error(field_errors(error.errors(), place="body")) from error

    return read


def body_documentation(model: type[BaseModel]) -> dict[str, object]:
    """What OpenAPI says of a body that `json_body` reads."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


async def _limited(request: Request) -> bytes:
    """The body, given up as soon as it is too large."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > REQUEST_BYTES:
                raise payload_too_large(REQUEST_BYTES)
    except ClientDisconnect as error:  # nobody hears it, but a caller that hangs up is no defect of ours
        raise malformed_request() from error
    if not body:
        raise invalid("body", "is missing", kind="missing")
    return bytes(body)


def _check_media_type(content_type: str) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise unsupported_media_type(media_type)
