"""`/admin/badges`: badge definitions."""

from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Path, Query

from api.auth import Admin
from api.badge_bodies import BadgeBody, BadgeChanges, BadgePage, BadgeResponse, MessageResponse
from api.bodies import Text, body_documentation, json_body
from api.problems import badge_id_not_found
from api.routes.documentation import (
    CODE_TAKEN,
    EVERYWHERE,
    EXAMPLE_BADGE_ID,
    MISSING_SCOPE,
    UNKNOWN_ID,
    WITH_A_BODY,
    answer,
    problems,
    unfit,
)
from api.routes.examples import (
    AWARD_LINK,
    BADGE,
    BADGE_CHANGES,
    BADGE_CREATED,
    BADGE_PAGE,
    BADGE_PAUSED,
    BADGE_REQUESTS,
    DEACTIVATED,
)
from api.services import Wired
from domain.badges import NewBadge
from storage.badges import create_badge, find_badge, list_badges, update_badge

router = APIRouter(prefix="/admin", tags=["Badge definitions"])

BadgeId = Annotated[
    UUID,
    Path(description="UUID of the badge definition.", openapi_examples={"badge": {"value": str(EXAMPLE_BADGE_ID)}}),
]

_EVERYWHERE = (*EVERYWHERE, MISSING_SCOPE)
_NO_UUID = unfit("path", "badge_id", "Input should be a valid UUID", "uuid_parsing")


@router.get(
    "/badges",
    summary="List badge definitions",
    responses={
        200: answer("One page, by `display_order`, then `code`.", {"page": BADGE_PAGE}),
        **problems(
            *_EVERYWHERE,
            unfit("query", "page_size", "Input should be less than or equal to 100", "less_than_equal"),
        ),
    },
)
async def list_badge_definitions(
    services: Wired,
    principal: Admin,
    category: Annotated[Text | None, Query(description="Filter by category.")] = None,
    is_active: Annotated[bool | None, Query(description="When set, only definitions whose is_active matches.")] = None,
    page: Annotated[int, Query(ge=1, description="1-indexed page number.")] = 1,
    page_size: Annotated[int, Query(ge=1, le=100, description="Items per page.")] = 50,
) -> BadgePage:
    """By `display_order`, then `code`; hidden and inactive definitions too."""
    async with services.database.reading() as connection:
        badges, total = await list_badges(
            connection,
            tenant_id=principal.tenant_id,
            category=category,
            is_active=is_active,
            page=page,
            page_size=page_size,
        )
    items = [BadgeResponse.model_validate(badge) for badge in badges]
    return BadgePage(items=items, total=total, page=page, page_size=page_size)


@router.post(
    "/badges",
    status_code=201,
    summary="Create a badge definition",
    responses={
        201: answer("The definition as it stands.", {"created": BADGE_CREATED}, links=AWARD_LINK),
        **problems(
            *_EVERYWHERE,
            *WITH_A_BODY,
            unfit("body", "name", "String should have at most 100 characters", "string_too_long"),
            CODE_TAKEN,
        ),
    },
    openapi_extra=body_documentation(BadgeBody, BADGE_REQUESTS),
)
async def create_badge_definition(
    services: Wired,
    principal: Admin,
    body: Annotated[BadgeBody, Depends(json_body(BadgeBody))],
) -> BadgeResponse:
    """The code cannot be changed afterwards: awards refer to it."""
    async with services.database.transaction() as connection:
        badge = await create_badge(
            connection,
            badge_id=uuid4(),
            tenant_id=principal.tenant_id,
            badge=NewBadge(**body.model_dump()),
        )
    return BadgeResponse.model_validate(badge)


@router.get(
    "/badges/{badge_id}",
    summary="Get one badge definition",
    responses={
        200: answer("The definition as it stands.", {"badge": BADGE}),
        **problems(*_EVERYWHERE, _NO_UUID, UNKNOWN_ID),
    },
)
async def get_badge_definition(services: Wired, principal: Admin, badge_id: BadgeId) -> BadgeResponse:
    """Active or not."""
    async with services.database.reading() as connection:
        badge = await find_badge(connection, tenant_id=principal.tenant_id, badge_id=badge_id)
    if badge is None:
        raise badge_id_not_found(badge_id)
    return BadgeResponse.model_validate(badge)


@router.patch(
    "/badges/{badge_id}",
    summary="Update a badge definition",
    responses={
        200: answer("The definition as it now stands.", {"paused": BADGE_PAUSED}),
        **problems(
            *_EVERYWHERE, *WITH_A_BODY, unfit("body", "code", "code cannot be changed", "value_error"), UNKNOWN_ID
        ),
    },
    openapi_extra=body_documentation(BadgeChanges, BADGE_CHANGES),
)
async def update_badge_definition(
    services: Wired,
    principal: Admin,
    badge_id: BadgeId,
    body: Annotated[BadgeChanges, Depends(json_body(BadgeChanges))],
) -> BadgeResponse:
    """Only supplied fields are changed. Null clears `description`, `icon_url`, `badge_color` and `category`.

    The code cannot be updated.
    """
    return await _update(services, principal, badge_id, body.model_dump(exclude_unset=True, exclude={"code"}))


@router.delete(
    "/badges/{badge_id}",
    summary="Deactivate a badge",
    responses={
        200: answer("No award of it succeeds from now on.", {"deactivated": DEACTIVATED}),
        **problems(*_EVERYWHERE, _NO_UUID, UNKNOWN_ID),
    },
)
async def deactivate_badge_definition(services: Wired, principal: Admin, badge_id: BadgeId) -> MessageResponse:
    """Existing awards are preserved; new ones stop succeeding. Deactivating twice is as good as once."""
    await _update(services, principal, badge_id, {"is_active": False})
    return MessageResponse(message="Badge deactivated")


async def _update(services: Wired, principal: Admin, badge_id: UUID, changes: dict[str, object]) -> BadgeResponse:
    async with services.database.transaction() as connection:
        badge = await update_badge(connection, tenant_id=principal.tenant_id, badge_id=badge_id, changes=changes)
    if badge is None:
        raise badge_id_not_found(badge_id)
    return BadgeResponse.model_validate(badge)
