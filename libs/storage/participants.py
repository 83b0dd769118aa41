"""What a participant has earned: the reads of the gateway."""

from collections.abc import Collection, Sequence
from uuid import UUID

from domain.badges import EarnedBadge, ParticipantBadge, Rarity
from storage.database import Fetch

_LIST = """
    SELECT b.code, b.name, b.description, b.icon_url, b.rarity, b.category, a.earned_at
    FROM badges AS b
    LEFT JOIN awards AS a ON a.tenant_id = b.tenant_id AND a.badge_id = b.id AND a.participant_id = $2
    WHERE b.tenant_id = $1 AND {shown}
    ORDER BY b.display_order, b.code
"""
_ALL = _LIST.format(shown="(a.earned_at IS NOT NULL OR b.is_active AND NOT b.is_hidden)")
_EARNED = _LIST.format(shown="a.earned_at IS NOT NULL")
_NAMED = _LIST.format(shown="(a.earned_at IS NOT NULL OR b.is_active) AND b.code = ANY ($3::text[])")
_NAMED_AND_EARNED = _LIST.format(shown="a.earned_at IS NOT NULL AND b.code = ANY ($3::text[])")

_FIND_EARNED = """
    SELECT b.name, b.icon_url, b.rarity, b.is_active, a.earned_at, a.request_id
    FROM awards AS a
    JOIN badges AS b ON b.id = a.badge_id
    WHERE a.tenant_id = $1 AND a.participant_id = $2 AND b.tenant_id = $1 AND b.code = $3
"""
_RARITIES = {rarity.value: rarity for rarity in Rarity}


async def list_participant_badges(
    fetch: Fetch,
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
    if codes is None:
        rows = await fetch(_EARNED if earned_only else _ALL, tenant_id, participant_id)
    else:
        rows = await fetch(_NAMED_AND_EARNED if earned_only else _NAMED, tenant_id, participant_id, list(codes))
    return [
        ParticipantBadge(code, name, description, icon_url, _RARITIES[rarity], category, earned_at)
        for code, name, description, icon_url, rarity, category, earned_at in rows
    ]


async def find_earned_badge(
    fetch: Fetch, *, tenant_id: UUID, participant_id: str, badge_code: str
) -> EarnedBadge | None:
    """Return the badge of that code, if the participant has earned it."""
    rows = await fetch(_FIND_EARNED, tenant_id, participant_id, badge_code)
    for name, icon_url, rarity, is_active, earned_at, request_id in rows:
        return EarnedBadge(name, icon_url, _RARITIES[rarity], is_active, earned_at, request_id)
    return None
