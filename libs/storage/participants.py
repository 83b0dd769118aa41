"""What a participant has earned: the reads of the gateway."""

from collections.abc import Collection, Sequence
from dataclasses import fields
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, bindparam, or_, select

from domain.awards import Award
from domain.badges import Badge, ParticipantBadge, Rarity
from storage.badges import badge_of
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
_RARITIES = {rarity.value: rarity for rarity in Rarity}


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
    parameters = {"tenant_id": tenant_id, "participant_id": participant_id}
    query = _list_query(earned_only=earned_only, has_codes=codes is not None)
    rows = await connection.execute(query, parameters | ({} if codes is None else {"codes": list(codes)}))
    return [
        ParticipantBadge(code, name, description, icon_url, _RARITIES[rarity], category, earned_at)
        for code, name, description, icon_url, rarity, category, earned_at in rows
    ]


@cache
def _list_query(*, earned_only: bool, has_codes: bool) -> Select[Any]:
    """Made once: to put a query together takes longer than to run it."""
    earned = awards.c.earned_at.is_not(None)
    shown: ColumnElement[bool]
    if earned_only:
        shown = earned
    elif has_codes:
        shown = or_(earned, badges.c.is_active)
    else:
        shown = or_(earned, and_(badges.c.is_active, badges.c.is_hidden.is_(False)))
    held = and_(
        awards.c.tenant_id == badges.c.tenant_id,
        awards.c.badge_id == badges.c.id,
        awards.c.participant_id == bindparam("participant_id"),
    )
    query = (
        select(*_ENTRY)
        .select_from(badges.outerjoin(awards, held))
        .where(badges.c.tenant_id == bindparam("tenant_id"), shown)
        .order_by(badges.c.display_order, badges.c.code)
    )
    return query.where(badges.c.code.in_(bindparam("codes", expanding=True))) if has_codes else query


_AWARD_COLUMNS = [awards.c[field.name] for field in fields(Award)]
_FIND_AWARD = (
    select(*(column.label(f"award_{column.name}") for column in _AWARD_COLUMNS), *badges.c)
    .join_from(awards, badges, awards.c.badge_id == badges.c.id)
    .where(
        awards.c.tenant_id == bindparam("tenant_id"),
        awards.c.participant_id == bindparam("participant_id"),
        badges.c.tenant_id == bindparam("tenant_id"),
        badges.c.code == bindparam("code"),
    )
)


async def find_award(
    connection: Connection, *, tenant_id: UUID, participant_id: str, badge_code: str
) -> tuple[Award, Badge] | None:
    """Return the participant's award of that code, with its badge as it stands; None if none."""
    parameters = {"tenant_id": tenant_id, "participant_id": participant_id, "code": badge_code}
    row = (await connection.execute(_FIND_AWARD, parameters)).mappings().first()
    if row is None:
        return None
    award = Award(**{column.name: row[f"award_{column.name}"] for column in _AWARD_COLUMNS})
    return award, badge_of(row)
