"""What goes in and out over HTTP, as documented in the contract."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Request
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
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
from domain.badges import Rarity
from domain.errors import InvalidValueError
from domain.limits import (
    BADGE_CODE_LENGTH,
    PARTICIPANT_ID_LENGTH,
    REQUEST_BYTES,
    check_metadata,
    unstorable,
)
from domain.times import format_instant
from messaging.json_bytes import read_json


def _storable(text: str) -> str:
    if problem := unstorable(text):
        raise ValueError(problem)
    return text


def _metadata(value: object) -> object:
    try:
        return check_metadata(value)
    except InvalidValueError as error:
        raise ValueError(error.problem) from error


STORABLE = AfterValidator(_storable)
WITHOUT_NUL = Field(json_schema_extra={"pattern": "^[^\\u0000]*$"})
Text = Annotated[str, STORABLE, WITHOUT_NUL]
# Lengths stand before our own validator: behind it pydantic counts "items", and says so.
ParticipantId = Annotated[str, Field(min_length=1, max_length=PARTICIPANT_ID_LENGTH), STORABLE, WITHOUT_NUL]
BadgeCode = Annotated[str, Field(min_length=1, max_length=BADGE_CODE_LENGTH), STORABLE, WITHOUT_NUL]
Instant = Annotated[
    datetime,
    PlainSerializer(format_instant, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Metadata = Annotated[dict[str, Any], BeforeValidator(_metadata)]
RarityText = Annotated[str, Field(json_schema_extra={"enum": [rarity.value for rarity in Rarity]})]
"""A rarity as it goes out."""


class AwardBody(BaseModel):
    """Who is to get which badge."""

    model_config = ConfigDict(strict=True)

    participant_id: ParticipantId = Field(
        description="Your participant identifier. 1 to 255 characters, taken as it is."
    )
    badge_code: BadgeCode = Field(description="Code of an active badge definition for the tenant. 1 to 50 characters.")
    metadata: Metadata | None = Field(
        default=None,
        description="Free-form context attached to the award: at most 16 KiB as JSON, 32 levels deep.",
    )


class AwardResponse(BaseModel):
    """The award, as it was first earned."""

    participant_id: str = Field(description="Echo of the requested participant id.")
    badge_code: str = Field(description="Echo of the awarded badge code.")
    badge_name: str = Field(description="Display name from the badge definition.")
    icon: str | None = Field(default=None, description="Badge icon URL from the definition, if set.")
    rarity: RarityText = Field(default="common", description="Rarity classification of the badge.")
    earned_at: Instant = Field(description="When the badge was first earned, not the retry time.")
    already_earned: bool = Field(default=False, description="Whether the participant already had the badge.")


class AcceptedResponse(BaseModel):
    """The request is in the log and will be decided."""

    participant_id: str = Field(description="Echo of the requested participant id.")
    badge_code: str = Field(description="Echo of the requested badge code.")
    status: Literal["accepted"] = "accepted"


class ParticipantBadgeEntry(BaseModel):
    """One badge, earned or not."""

    code: str
    name: str = Field(description="Display name.")
    description: str | None = None
    icon: str | None = Field(default=None, description="Badge icon URL, if set.")
    rarity: RarityText = "common"
    category: str | None = None
    earned: bool = False
    earned_at: Instant | None = Field(default=None, description="When it was first earned; null if it is not.")


class ParticipantBadges(BaseModel):
    """A participant's list, by `display_order`, then `code`."""

    participant_id: str = Field(description="Echo of the requested participant id.")
    badges: list[ParticipantBadgeEntry]
    total: int = Field(description="Number of badge rows returned.", ge=0)
    earned_count: int = Field(description="How many of them the participant has earned.", ge=0)


Body = TypeVar("Body", bound=BaseModel)


def json_body(model: type[Body]) -> Callable[[Request], Awaitable[Body]]:
    """Make the dependency that reads a JSON body of at most 64 KiB.

    FastAPI's own reading would come before the key is checked, and knows no limit.
    """

    async def read(request: Request) -> Body:
        content = await _limited(request)
        _check_media_type(request.headers.get("content-type", ""))
        if not content:
            raise invalid("body", "is missing", kind="missing")
        value = read_json(content)
        try:
            return model.model_validate(value)
        except ValidationError as error:
            raise validation_error(field_errors(error.errors(), "body")) from error

    return read


def body_documentation(model: type[BaseModel], examples: Mapping[str, object]) -> dict[str, object]:
    """What OpenAPI says of a body that `json_body` reads."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    named = {name: {"value": value} for name, value in examples.items()}
    content = {"application/json": {"schema": schema, "examples": named}}
    return {"requestBody": {"description": model.__doc__, "required": True, "content": content}}


async def _limited(request: Request) -> bytes:
    """The body, given up as soon as it is known to be too large: unread, where its length says so."""
    if int(request.headers.get("content-length", "0")) > REQUEST_BYTES:
        raise payload_too_large(REQUEST_BYTES)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > REQUEST_BYTES:
                raise payload_too_large(REQUEST_BYTES)
    except ClientDisconnect as error:  # nobody hears it, but a caller that hangs up is no defect of ours
        raise malformed_request() from error
    return bytes(body)


def _check_media_type(content_type: str) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise unsupported_media_type(media_type)
