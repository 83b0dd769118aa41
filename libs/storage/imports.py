"""What the importer asks Postgres: definitions, lost answers, and a rehearsal that leaves nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, text

from domain.awards import RejectionReason
from domain.badges import NewBadge
from storage.database import Connection
from storage.tables import badges, tenants

_CREATE_BADGES = text("""
    INSERT INTO badges (id, tenant_id, code, name, rarity)
    SELECT id, CAST(:tenant_id AS uuid), code, name, rarity
    FROM unnest(CAST(:ids AS uuid[]), CAST(:codes AS text[]), CAST(:names AS text[]), CAST(:rarities AS text[]))
        AS n (id, code, name, rarity)
    ON CONFLICT ON CONSTRAINT uq_badges_tenant_id_code DO NOTHING
    RETURNING code
""")

# An award of another request decides ours only while nothing would reject it.
_FIND_OUTCOMES = text("""
    SELECT w.request_id, r.reason, a.request_id AS earner
    FROM unnest(CAST(:request_ids AS text[]), CAST(:participant_ids AS text[]), CAST(:codes AS text[]))
        AS w (request_id, participant_id, code)
    LEFT JOIN rejected_requests AS r ON r.request_id = w.request_id AND r.tenant_id = :tenant_id
    LEFT JOIN badges AS b ON b.tenant_id = :tenant_id AND b.code = w.code
    LEFT JOIN awards AS a
      ON a.tenant_id = :tenant_id AND a.participant_id = w.participant_id AND a.badge_id = b.id
    LEFT JOIN tenants AS t ON t.id = :tenant_id
    WHERE r.reason IS NOT NULL OR a.request_id = w.request_id
       OR (a.request_id IS NOT NULL AND b.is_active AND t.is_enabled)
""")

_BEGIN_REHEARSAL = text("""
    CREATE TEMPORARY TABLE import_rehearsal (
        participant_id text COLLATE "C", code text COLLATE "C", PRIMARY KEY (participant_id, code)
    ) ON COMMIT DROP
""")

_REHEARSE = text("""
    WITH firsts AS (
        INSERT INTO import_rehearsal
        SELECT DISTINCT participant_id, code
        FROM unnest(CAST(:participant_ids AS text[]), CAST(:codes AS text[])) AS w (participant_id, code)
        ON CONFLICT DO NOTHING
        RETURNING participant_id, code
    )
    SELECT f.code, count(*) AS awards
    FROM firsts AS f
    LEFT JOIN badges AS b ON b.tenant_id = :tenant_id AND b.code = f.code
    LEFT JOIN awards AS a
      ON a.tenant_id = :tenant_id AND a.participant_id = f.participant_id AND a.badge_id = b.id
    WHERE a.badge_id IS NULL
    GROUP BY f.code
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedOutcome:
    """A request whose answer did not come."""

    request_id: str
    participant_id: str
    badge_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownOutcome:
    """What became of a request, as Postgres shows it; `rejection` is None when it was awarded."""

    already_earned: bool
    rejection: RejectionReason | None


async def is_tenant_enabled(connection: Connection, tenant_id: UUID) -> bool | None:
    """Whether the tenant may be awarded to; None when there is no such tenant."""
    return (await connection.execute(select(tenants.c.is_enabled).where(tenants.c.id == tenant_id))).scalar()


async def find_badge_codes(connection: Connection, *, tenant_id: UUID, codes: Sequence[str]) -> Mapping[str, bool]:
    """Return those of the codes that are defined, and whether each is active."""
    query = select(badges.c.code, badges.c.is_active).where(badges.c.tenant_id == tenant_id, badges.c.code.in_(codes))
    return {row.code: row.is_active for row in await connection.execute(query)}


async def create_missing_badges(
    connection: Connection, *, tenant_id: UUID, new: Sequence[tuple[UUID, NewBadge]]
) -> Sequence[str]:
    """Define what is not defined yet, by code, name and rarity; return the codes made. The caller commits."""
    ordered = sorted(new, key=lambda entry: entry[1].code)  # two importers at once cannot deadlock
    result = await connection.execute(
        _CREATE_BADGES,
        {
            "tenant_id": tenant_id,
            "ids": [badge_id for badge_id, _ in ordered],
            "codes": [badge.code for _, badge in ordered],
            "names": [badge.name for _, badge in ordered],
            "rarities": [badge.rarity.value for _, badge in ordered],
        },
    )
    return [row.code for row in result]


async def find_outcomes(
    connection: Connection, *, tenant_id: UUID, asked: Sequence[AskedOutcome]
) -> Mapping[str, KnownOutcome]:
    """Return what is certain, by request id. What is missing may yet be decided."""
    rows = await connection.execute(
        _FIND_OUTCOMES,
        {
            "tenant_id": tenant_id,
            "request_ids": [request.request_id for request in asked],
            "participant_ids": [request.participant_id for request in asked],
            "codes": [request.badge_code for request in asked],
        },
    )
    return {
        row.request_id: KnownOutcome(
            already_earned=row.reason is None and row.earner != row.request_id,
            rejection=None if row.reason is None else RejectionReason(row.reason),
        )
        for row in rows
    }


async def begin_rehearsal(connection: Connection) -> None:
    """Make the table that remembers the pairs seen; it goes with the transaction."""
    await connection.execute(_BEGIN_REHEARSAL)


async def rehearse(connection: Connection, *, tenant_id: UUID, pairs: Sequence[tuple[str, str]]) -> Mapping[str, int]:
    """Return how many of the (participant, code) pairs would be new awards, by code.

    A pair counts once in a rehearsal, and not at all when it is awarded already.
    """
    rows = await connection.execute(
        _REHEARSE,
        {
            "tenant_id": tenant_id,
            "participant_ids": [participant_id for participant_id, _ in pairs],
            "codes": [code for _, code in pairs],
        },
    )
    return {row.code: row.awards for row in rows}
