"""Badge definitions: the queries of the admin endpoints and of the gateway's directory."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, bindparam, func, select

from domain.badges import Badge, NewBadge, Rarity
from domain.errors import BadgeCodeConflictError, DataRefusedError
from storage.database import Connection
from storage.errors import storage_errors
from storage.tables import badges

CODE_CONSTRAINT = "uq_badges_tenant_id_code"
_LAST_ROW = 2**62
_IS_ACTIVE = select(badges.c.id).where(
    badges.c.tenant_id == bindparam("tenant_id"), badges.c.code == bindparam("code"), badges.c.is_active
)
_COLUMNS = tuple(column.name for column in badges.c)


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
    return badge_of(row)


async def list_badges(
    connection: Connection,
    *,
    tenant_id: UUID,
    category: str | None,
    is_active: bool | None,
    page: int,
    page_size: int,
) -> tuple[Sequence[Badge], int]:
    """Return one page (1 is the first) by `display_order`, then `code`, and the count of all that match."""
    conditions: list[ColumnElement[bool]] = [badges.c.tenant_id == tenant_id]
    if category is not None:
        conditions.append(badges.c.category == category)
    if is_active is not None:
        conditions.append(badges.c.is_active.is_(is_active))
    query = (
        select(*badges.c)
        .where(*conditions)
        .order_by(badges.c.display_order, badges.c.code)
        .limit(page_size)
        .offset(min((page - 1) * page_size, _LAST_ROW))
    )
    rows = (await connection.execute(query)).mappings().all()
    total = await connection.scalar(select(func.count()).select_from(badges).where(*conditions))
    return [badge_of(row) for row in rows], total or 0


async def find_badge(connection: Connection, *, tenant_id: UUID, badge_id: UUID) -> Badge | None:
    """Return the tenant's badge of that id, active or not; None when there is none."""
    query = select(*badges.c).where(badges.c.tenant_id == tenant_id, badges.c.id == badge_id)
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else badge_of(row)


async def update_badge(
    connection: Connection, *, tenant_id: UUID, badge_id: UUID, changes: Mapping[str, Any]
) -> Badge | None:
    """Set the columns in `changes` and return the badge as it then stands; None when there is none.

    `updated_at` moves only when something changed. The row is locked first: of two updates at once
    the second sees what the first has done, and awards under way are waited for. The caller commits.
    """
    its_row = (badges.c.tenant_id == tenant_id, badges.c.id == badge_id)
    before = (await connection.execute(select(*badges.c).where(*its_row).with_for_update())).mappings().first()
    if before is None:
        return None
    changed = {name: value for name, value in changes.items() if before[name] != value}
    if not changed:
        return badge_of(before)
    update = badges.update().where(*its_row).values(**changed, updated_at=func.now()).returning(*badges.c)
    return badge_of((await connection.execute(update)).mappings().one())


async def is_active_badge(connection: Connection, tenant_id: UUID, code: str) -> bool:
    """Whether an active badge of the tenant has that code."""
    return (await connection.execute(_IS_ACTIVE, {"tenant_id": tenant_id, "code": code})).first() is not None


def badge_of(row: Mapping[str, Any] | RowMapping) -> Badge:
    """Return the definition in a row that has every column of `badges`, and perhaps others."""
    return Badge(**{name: row[name] for name in _COLUMNS} | {"rarity": Rarity(row["rarity"])})
