"""`/admin/badges`: badge definitions."""

from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Path, Query

from api.auth import Admin
from api.badge_bodies import BadgeBody, BadgeChanges, BadgePage, BadgeResponse, MessageResponse
from api.bodies import Text, body_documentation, json_body
from api.problems import badge_id_not_found
from api.routes.documentation import problems
from api.services import Wired
from domain.badges import NewBadge
from storage.badges import create_badge, find_badge, list_badges, update_badge

router = APIRouter(prefix="/admin", tags=["Badge definitions"])

BadgeId = Annotated[UUID, Path(description="UUID of the badge definition.")]


@router.get("/badges", summary="List badge definitions", responses=problems(401, 403, 422, 503))
async def list_badge_definitions(
    services: Wired,
    principal: Admin,
    category: Annotated[Text | None, Query(description="Filter by category.")] = None,
    is_active: Annotated[bool | None, Query(description="Only definitions whose is_active matches.")] = None,
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
    responses=problems(400, 401, 403, 413, 415, 422, 503),
    openapi_extra=body_documentation(BadgeBody),
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


@router.get("/badges/{badge_id}", summary="Get one badge definition", responses=problems(401, 403, 404, 422, 503))
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
    responses=problems(401, 403, 404, 413, 415, 422, 503),
    openapi_extra=body_documentation(BadgeChanges),
)
async def update_badge_definition(
    services: Wired,
    principal: Admin,
    badge_id: BadgeId,
    body: Annotated[BadgeChanges, Depends(json_body(BadgeChanges))],
) -> BadgeResponse:
    """Only what is supplied is changed; null clears an optional field."""
    return await _update(services, principal, badge_id, body.model_dump(exclude_unset=True, exclude={"code"}))


@router.delete("/badges/{badge_id}", summary="Deactivate a badge", responses=problems(401, 403, 404, 422, 503))
async def deactivate_badge_definition(services: Wired, principal: Admin, badge_id: BadgeId) -> MessageResponse:
    """Awards are kept; new ones stop succeeding once this has answered. Twice is as good as once."""
    await _update(services, principal, badge_id, {"is_active": False})
    return MessageResponse(message="Badge deactivated")


async def _update(services: Wired, principal: Admin, badge_id: UUID, changes: dict[str, object]) -> BadgeResponse:
    async with services.database.transaction() as connection:
        badge = await update_badge(connection, tenant_id=principal.tenant_id, badge_id=badge_id, changes=changes)
    if badge is None:
        raise badge_id_not_found(badge_id)
    return BadgeResponse.model_validate(badge)
