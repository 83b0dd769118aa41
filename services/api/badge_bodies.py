"""Badge definitions as they go in and out over HTTP."""

from typing import Annotated, Any, NoReturn
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from api.bodies import STORABLE, WITHOUT_NUL, BadgeCode, Instant, RarityText, Text
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


def _whole(value: object) -> object:
    """JSON has one kind of number: 5.0 is the integer 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


BadgeName = Annotated[str, Field(min_length=1, max_length=BADGE_NAME_LENGTH), STORABLE, WITHOUT_NUL]
IconUrl = Annotated[
    str,
    Field(
        max_length=ICON_URL_LENGTH,
        description="An http or https URL, shown in the SDK and dashboards.",
        json_schema_extra={"pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[^/?#\[\]\u0000][^\[\]\u0000]*$"},
    ),
    STORABLE,
    AfterValidator(_web_address),
]
Color = Annotated[str, Field(max_length=BADGE_COLOR_LENGTH), STORABLE, WITHOUT_NUL]
Category = Annotated[str, Field(max_length=CATEGORY_LENGTH), STORABLE, WITHOUT_NUL]
Order = Annotated[int, Field(ge=-INT32, le=INT32 - 1), BeforeValidator(_whole)]
RarityName = Annotated[Rarity, Field(strict=False)]  # JSON has no enumerations: its text is read


class BadgeBody(BaseModel):
    """A badge to define."""

    model_config = ConfigDict(strict=True)

    code: BadgeCode = Field(
        description="Unique for the tenant, for ever. It cannot be changed: awards refer to it. 1 to 50 characters."
    )
    name: BadgeName = Field(description="Display name. 1 to 100 characters.")
    description: Text | None = Field(default=None, description="Long-form description.")
    icon_url: IconUrl | None = Field(default=None, description="URL of the icon: http or https.")
    badge_color: Color | None = Field(default=None, description="Hex color. At most 20 characters.")
    rarity: RarityName = Rarity.COMMON
    category: Category | None = Field(default=None, description="Category grouping. At most 50 characters.")
    is_hidden: bool = Field(default=False, description="Hidden in default listings, for surprises.")
    display_order: Order = Field(default=0, description="Sort order in listings.")


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
    rarity: RarityText
    category: str | None
    is_active: bool
    is_hidden: bool
    display_order: int
    created_at: Instant
    updated_at: Instant


def _describe_changes(schema: dict[str, Any]) -> None:
    """What is absent stays: nothing has a default. The code is refused."""
    for field in schema["properties"].values():
        field.pop("default", None)
    schema["not"] = {"required": ["code"]}


class BadgeChanges(BaseModel):
    """What is to change of a badge. All fields are optional; what is absent stays as it is."""

    model_config = ConfigDict(strict=True, json_schema_extra=_describe_changes)

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
    page: int = Field(description="Echo of the page asked for.")
    page_size: int = Field(description="Echo of the page size asked for.")


class MessageResponse(BaseModel):
    """What was done."""

    message: str
