"""`/admin/badges`: badge definitions."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Depends

from api.auth import Admin
from api.bodies import BadgeBody, BadgeResponse, body_documentation, json_body
from api.routes.documentation import problems
from api.services import Wired
from domain.badges import NewBadge
from storage.badges import create_badge

router = APIRouter(prefix="/admin", tags=["Badge definitions"])


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
