"""Awards with their definitions, page by page in primary key order: short statements, constant memory."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text

from domain.awards import Award, AwardKey
from domain.badges import Badge
from storage.badges import badge_of
from storage.database import Connection, Database
from storage.tables import tenants

ROWS_PER_PAGE = 2000
ROWS_PER_COUNT = 50_000

_NIL = UUID(int=0)

# A page is so many awards of a tenant, wanted or not: no filter can make its statement long.
_PAGE = """
    WITH p AS MATERIALIZED (
        SELECT * FROM awards
        WHERE tenant_id = :tenant_id
          AND (participant_id, badge_id) > (CAST(:after_participant AS text), CAST(:after_badge AS uuid))
          AND (CAST(:participant_id AS text) IS NULL OR participant_id = CAST(:participant_id AS text))
        ORDER BY participant_id, badge_id LIMIT :rows
    ), last AS (
        SELECT participant_id, badge_id FROM p ORDER BY participant_id DESC, badge_id DESC LIMIT 1
    )
"""
_WANTED = """
    (CAST(:badge_code AS text) IS NULL OR b.code = CAST(:badge_code AS text))
    AND (CAST(:since AS timestamptz) IS NULL OR p.recorded_at >= CAST(:since AS timestamptz))
    AND (CAST(:until AS timestamptz) IS NULL OR p.recorded_at < CAST(:until AS timestamptz))
"""
_COLUMNS = """
    p.tenant_id, p.participant_id, p.badge_id, p.earned_at, p.metadata, p.request_id, p.source,
    b.id, b.code, b.name, b.description, b.icon_url, b.badge_color, b.rarity, b.category, b.is_active, b.is_hidden,
    b.display_order, b.created_at, b.updated_at
"""

_READ_PAGE = text(f"""
    {_PAGE}
    SELECT {_COLUMNS}, ({_WANTED}) AS is_wanted FROM p JOIN badges AS b ON b.id = p.badge_id
    WHERE ({_WANTED}) OR (p.participant_id, p.badge_id) = (SELECT participant_id, badge_id FROM last)
    ORDER BY p.participant_id, p.badge_id
""")  # noqa: S608 - constants of ours

_COUNT_PAGE = text(f"""
    {_PAGE}
    SELECT participant_id, badge_id,
           (SELECT count(*) FROM p JOIN badges AS b ON b.id = p.badge_id WHERE {_WANTED}) AS awards
    FROM last
""")  # noqa: S608 - constants of ours

_FIND = text(f"""
    SELECT {_COLUMNS} FROM unnest(
        CAST(:tenant_ids AS uuid[]), CAST(:participant_ids AS text[]), CAST(:badge_ids AS uuid[])
    ) AS w (tenant_id, participant_id, badge_id)
    JOIN awards AS p USING (tenant_id, participant_id, badge_id) JOIN badges AS b ON b.id = p.badge_id
""")  # noqa: S608 - constants of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardFilter:
    """Which awards; None lets all through. The time is that of recording: `since` is in, `until` is not."""

    tenant_ids: Sequence[UUID] | None = None
    badge_code: str | None = None
    participant_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardPage:
    """Some wanted awards, perhaps none, each with its badge as it is defined now."""

    awards: Sequence[tuple[Award, Badge]]
    last: AwardKey
    """Up to and with this one all were looked at."""


async def read_awards(
    database: Database, wanted: AwardFilter, *, after: AwardKey | None = None
) -> AsyncGenerator[AwardPage, None]:
    """Yield the wanted awards in primary key order, those behind `after`; each page is a statement of its own.

    An award made meanwhile is met or not; none that was there at the beginning is left out.
    """
    async for tenant_id, start in _starts(database, wanted, after):
        place = start
        while True:
            async with database.reading() as connection:
                found = await connection.execute(_READ_PAGE, _arguments(wanted, tenant_id, place, ROWS_PER_PAGE))
                rows = found.all()
            if not rows:
                break
            place = (rows[-1].participant_id, rows[-1].badge_id)
            yield AwardPage(awards=[_pair(row) for row in rows if row.is_wanted], last=(tenant_id, *place))


async def count_awards(database: Database, wanted: AwardFilter, *, after: AwardKey | None = None) -> int:
    """Return how many awards `read_awards` would yield."""
    total = 0
    async for tenant_id, start in _starts(database, wanted, after):
        place = start
        while True:
            async with database.reading() as connection:
                found = await connection.execute(_COUNT_PAGE, _arguments(wanted, tenant_id, place, ROWS_PER_COUNT))
                row = found.first()
            if row is None:
                break
            place = (row.participant_id, row.badge_id)
            total += row.awards
    return total


async def find_awards(connection: Connection, keys: Sequence[AwardKey]) -> Sequence[tuple[Award, Badge]]:
    """Return the awards that exist, each with its badge as it is defined now."""
    rows = await connection.execute(
        _FIND,
        {
            "tenant_ids": [tenant_id for tenant_id, _, _ in keys],
            "participant_ids": [participant_id for _, participant_id, _ in keys],
            "badge_ids": [badge_id for _, _, badge_id in keys],
        },
    )
    return [_pair(row) for row in rows]


async def _starts(
    database: Database, wanted: AwardFilter, after: AwardKey | None
) -> AsyncIterator[tuple[UUID, tuple[str, UUID]]]:
    """Each tenant in order, with the place behind which to begin."""
    query = select(tenants.c.id).order_by(tenants.c.id)
    if wanted.tenant_ids is not None:
        query = query.where(tenants.c.id.in_(wanted.tenant_ids))
    if after is not None:
        query = query.where(tenants.c.id >= after[0])
    async with database.reading() as connection:
        tenant_ids = (await connection.scalars(query)).all()
    for tenant_id in tenant_ids:
        yield tenant_id, ("", _NIL) if after is None or after[0] != tenant_id else after[1:]


def _arguments(wanted: AwardFilter, tenant_id: UUID, place: tuple[str, UUID], rows: int) -> dict[str, object]:
    return {
        "tenant_id": tenant_id,
        "after_participant": place[0],
        "after_badge": place[1],
        "participant_id": wanted.participant_id,
        "badge_code": wanted.badge_code,
        "since": wanted.since,
        "until": wanted.until,
        "rows": rows,
    }


def _pair(row: Row[Any]) -> tuple[Award, Badge]:
    award = Award(
        tenant_id=row.tenant_id,
        participant_id=row.participant_id,
        badge_id=row.badge_id,
        earned_at=row.earned_at,
        metadata=row.metadata,
        request_id=row.request_id,
        source=row.source,
    )
    return award, badge_of(row._mapping)  # noqa: SLF001 - public, despite its name
