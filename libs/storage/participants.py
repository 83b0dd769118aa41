"""What a participant has earned: the reads of the gateway."""

from collections.abc import Collection, Sequence
from dataclasses import fields
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select

from domain.awards import Award
from domain.badges import Badge, ParticipantBadge, Rarity
from storage.database import Connection
from storage.tables import awards, badges

_ENTRY = (
    badges.c.code,
    badges.c.name,
    badges.c.description,
    badges.c.icon_url,
    badges.c.rarity,
    badges.c.category,
    awards.c.earned_at,
)


async def list_participant_badges(
    connection: Connection,
    *,
    tenant_id: UUID,
    participant_id: str,
    earned_only: bool,
    codes: Collection[str] | None,
) -> Sequence[ParticipantBadge]:
    """Return the participant's list, by `display_order`, then `code`.

    Every active, not hidden badge, and whatever was earned; with `codes` only those, where a hidden
    one asked for by its code is shown.
    """
    earned = awards.c.earned_at.is_not(None)
    shown: ColumnElement[bool]
    if earned_only:
        shown = earned
    elif codes is None:
        shown = or_(earned, and_(badges.c.is_active, badges.c.is_hidden.is_(False)))
    else:
        shown = or_(earned, badges.c.is_active)
    held = and_(
        awards.c.tenant_id == badges.c.tenant_id,
        awards.c.badge_id == badges.c.id,
        awards.c.participant_id == participant_id,
    )
    query = (
        select(*_ENTRY)
        .select_from(badges.outerjoin(awards, held))
        .where(badges.c.tenant_id == tenant_id, shown)
        .order_by(badges.c.display_order, badges.c.code)
    )
    if codes is not None:
        query = query.where(badges.c.code.in_(codes))
    rows = (await connection.execute(query)).mappings()
    return [ParticipantBadge(**{**row, "rarity": Rarity(row["rarity"])}) for row in rows]


async def find_award(
    connection: Connection, *, tenant_id: UUID, participant_id: str, badge_code: str
) -> tuple[Award, Badge] | None:
    """Return the participant's award of that code, with its badge as it stands; None if none."""
    award_columns = [awards.c[field.name] for field in fields(Award)]
    query = (
        select(*(column.label(f"award_{column.name}") for column in award_columns), *badges.c)
        .join_from(awards, badges, awards.c.badge_id == badges.c.id)
        .where(
            awards.c.tenant_id == tenant_id,
            awards.c.participant_id == participant_id,
            badges.c.tenant_id == tenant_id,
            badges.c.code == badge_code,
        )
    )
    row = (await connection.execute(query)).mappings().first()
    if row is None:
        return None
    badge = {column.name: row[column.name] for column in badges.c}
    return (
        Award(**{column.name: row[f"award_{column.name}"] for column in award_columns}),
        Badge(**badge | {"rarity": Rarity(badge["rarity"])}),
    )
