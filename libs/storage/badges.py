"""Badge definitions: the queries of the admin endpoints and of the gateway's directory."""

from uuid import UUID

from sqlalchemy import select

from domain.badges import Badge, NewBadge, Rarity
from domain.errors import BadgeCodeConflictError, DataRefusedError
from storage.database import Connection
from storage.errors import storage_errors
from storage.tables import badges

CODE_CONSTRAINT = "uq_badges_tenant_id_code"


async def create_badge(connection: Connection, *, badge_id: UUID, tenant_id: UUID, badge: NewBadge) -> Badge:
    """Insert a definition and return it as it stands. The caller commits.

    Raises:
        BadgeCodeConflictError: the tenant has, or once had, a badge of that code.
    """
    insert = (
        badges.insert()
        .values(
            id=badge_id,
            tenant_id=tenant_id,
            code=badge.code,
            name=badge.name,
            description=badge.description,
            icon_url=badge.icon_url,
            badge_color=badge.badge_color,
            rarity=badge.rarity.value,
            category=badge.category,
            is_hidden=badge.is_hidden,
            display_order=badge.display_order,
        )
        .returning(*badges.c)
    )
    try:
        with storage_errors():
            row = (await connection.execute(insert)).mappings().one()
    except DataRefusedError as error:
        if error.constraint == CODE_CONSTRAINT:
            raise BadgeCodeConflictError(badge.code) from error
        raise
    return Badge(**{**row, "rarity": Rarity(row["rarity"])})


async def is_active_badge(connection: Connection, tenant_id: UUID, code: str) -> bool:
    """Whether an active badge of the tenant has that code."""
    query = select(badges.c.id).where(badges.c.tenant_id == tenant_id, badges.c.code == code, badges.c.is_active)
    return (await connection.execute(query)).first() is not None
