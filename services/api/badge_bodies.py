"""Badge definitions as they go in and out over HTTP."""

from typing import Annotated, NoReturn
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from api.bodies import BadgeCode, Instant, Text
from domain.badges import Rarity
from domain.limits import BADGE_COLOR_LENGTH, BADGE_NAME_LENGTH, CATEGORY_LENGTH, ICON_URL_LENGTH

INT32 = 2**31


def _refuse_code(_value: object) -> NoReturn:
    raise ValueError("code cannot be changed")


def _web_address(text: str) -> str:
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise ValueError(f"must be a URL: {error}") from error
    if parts.scheme.lower() not in {"http", "https"} or not parts.netloc:
        raise ValueError("must be an http or https URL")
    return text


BadgeName = Annotated[Text, Field(min_length=1, max_length=BADGE_NAME_LENGTH)]
IconUrl = Annotated[Text, Field(max_length=ICON_URL_LENGTH), AfterValidator(_web_address)]
Color = Annotated[Text, Field(max_length=BADGE_COLOR_LENGTH)]
Category = Annotated[Text, Field(max_length=CATEGORY_LENGTH)]
Order = Annotated[int, Field(ge=-INT32, lt=INT32)]
RarityName = Annotated[Rarity, Field(strict=False)]  # JSON has no enumerations: its text is read


class BadgeBody(BaseModel):
    """A badge to define."""

    model_config = ConfigDict(
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "code": "power_user",
                    "name": "Power User",
                    "description": "Log in 10 times.",
                    "icon_url": "https://cdn.example.com/badges/power.png",
                    "badge_color": "#7C3AED",
                    "rarity": "rare",
                    "category": "engagement",
                    "display_order": 10,
                }
            ]
        },
    )

    code: BadgeCode = Field(description="Unique for the tenant, for ever.")
    name: BadgeName
    description: Text | None = None
    icon_url: IconUrl | None = None
    badge_color: Color | None = None
    rarity: RarityName = Rarity.COMMON
    category: Category | None = None
    is_hidden: bool = False
    display_order: Order = 0


class BadgeResponse(BaseModel):
    """A badge definition as it stands."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    tenant_id: UUID
    code: str
    name: str
    description: str | None
    icon_url: str | None
    badge_color: str | None
    rarity: str
    category: str | None
    is_active: bool
    is_hidden: bool
    display_order: int
    created_at: Instant
    updated_at: Instant


class BadgeChanges(BaseModel):
    """What is to change of a badge. All fields are optional; what is absent stays as it is."""

    model_config = ConfigDict(
        strict=True, json_schema_extra={"examples": [{"name": "Power User", "rarity": "epic", "is_active": False}]}
    )

    code: SkipJsonSchema[Annotated[object, AfterValidator(_refuse_code)]] = None
    # The defaults are never used: only supplied fields are read. Null is for the four optional ones alone.
    name: BadgeName = Field(default="")
    description: Text | None = None
    icon_url: IconUrl | None = None
    badge_color: Color | None = None
    rarity: RarityName = Rarity.COMMON
    category: Category | None = None
    is_hidden: bool = False
    is_active: bool = True
    display_order: Order = 0


class BadgePage(BaseModel):
    """One page of definitions."""

    items: list[BadgeResponse]
    total: int = Field(description="How many match in all.")
    page: int
    page_size: int


class MessageResponse(BaseModel):
    """What was done."""

    message: str
