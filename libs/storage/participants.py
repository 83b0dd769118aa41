"""What a participant has earned: the reads of the gateway."""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, bindparam, or_, select

from domain.badges import EarnedBadge, ParticipantBadge, Rarity
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


_FIND_EARNED = (
    select(
        badges.c.name,
        badges.c.icon_url,
        badges.c.rarity,
        badges.c.is_active,
        awards.c.earned_at,
        awards.c.request_id,
    )
    .join_from(awards, badges, awards.c.badge_id == badges.c.id)
    .where(
        awards.c.tenant_id == bindparam("tenant_id"),
        awards.c.participant_id == bindparam("participant_id"),
        badges.c.tenant_id == bindparam("tenant_id"),
        badges.c.code == bindparam("code"),
    )
)


async def find_earned_badge(
    connection: Connection, *, tenant_id: UUID, participant_id: str, badge_code: str
) -> EarnedBadge | None:
    """Return the badge of that code, if the participant has earned it."""
    parameters = {"tenant_id": tenant_id, "participant_id": participant_id, "code": badge_code}
    row = (await connection.execute(_FIND_EARNED, parameters)).first()
    if row is None:
        return None
    name, icon_url, rarity, is_active, earned_at, request_id = row
    return EarnedBadge(name, icon_url, _RARITIES[rarity], is_active, earned_at, request_id)
