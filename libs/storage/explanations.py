"""What the database knows of one participant and one badge code."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from uuid import UUID

from sqlalchemy import RowMapping, and_, select, text

from domain.awards import award_event_id
from domain.explanations import (
    EventState,
    ExplainedAward,
    ExplainedRejection,
    Explanation,
    RecordPlace,
)
from domain.request_sources import key_of_source
from domain.tenants import Environment, Tenant
from storage.badges import badge_of
from storage.database import Connection
from storage.tables import api_keys, awards, badges, rejected_requests, tenants

MOST_REJECTIONS = 20
MOST_CODES = 1000
"""So many codes are compared with one that is unknown, those of the nearest length first."""
MOST_SIMILAR = 12

# An award and its event are written in one transaction, whose time both rows carry: an index leads to the few rows
# of that very batch, and only their payloads are searched, however long the outbox is.
_FIND_EVENT = text("""
    SELECT emit_seq FROM outbox
    WHERE created_at = :recorded_at AND position(CAST(:event_id AS bytea) IN payload) > 0
    LIMIT 1
""")

# Postgres counts the parts that codes have in common: comparing a thousand codes well would keep a gateway busy.
_FIND_SIMILAR = text("""
    SELECT code FROM (
        SELECT code, lower(code COLLATE pg_c_utf8) AS folded, abs(char_length(code) - char_length(:wanted)) AS distance
        FROM badges
        WHERE tenant_id = :tenant_id ORDER BY distance, code LIMIT :most_codes
    ) AS near
    ORDER BY (
        SELECT count(*) FROM unnest(CAST(:parts AS text[])) AS part WHERE strpos(folded, part) > 0
    ) DESC, distance, code
    LIMIT :most_similar
""")

_AWARD = ("earned_at", "recorded_at", "request_id", "source", "topic", "partition", "offset")


async def find_explanation(
    connection: Connection, *, tenant_id: UUID, participant_id: str, badge_code: str
) -> Explanation:
    """Return all that is known of the pair within the tenant, and of nothing else.

    The rejected requests are the newest 20, newest first.
    """
    row = await _find_badge_and_award(connection, tenant_id, participant_id, badge_code)
    badge = None if row is None else badge_of(row)
    is_awarded = row is not None and row["award_request_id"] is not None
    award = await _award(connection, row, participant_id) if row is not None and is_awarded else None
    rejections = await _find_rejections(connection, tenant_id, participant_id, badge_code)
    return Explanation(
        tenant_id=tenant_id,
        tenant=await _find_tenant(connection, tenant_id),
        participant_id=participant_id,
        badge_code=badge_code,
        badge=badge,
        award=award,
        rejections=rejections[:MOST_REJECTIONS],
        has_more_rejections=len(rejections) > MOST_REJECTIONS,
    )


async def find_similar_codes(connection: Connection, *, tenant_id: UUID, badge_code: str) -> Sequence[str]:
    """Return a dozen of the tenant's codes that have most letters and pairs of letters in common with this one."""
    wanted = badge_code.lower()
    parts = {*wanted, *map("".join, pairwise(wanted))}
    similar = {
        "tenant_id": tenant_id,
        "wanted": wanted,
        "parts": sorted(parts),
        "most_codes": MOST_CODES,
        "most_similar": MOST_SIMILAR,
    }
    return (await connection.scalars(_FIND_SIMILAR, similar)).all()


async def _find_tenant(connection: Connection, tenant_id: UUID) -> Tenant | None:
    row = (await connection.execute(select(*tenants.c).where(tenants.c.id == tenant_id))).mappings().first()
    return None if row is None else Tenant(**{**row, "environment": Environment(row["environment"])})


async def _find_badge_and_award(
    connection: Connection, tenant_id: UUID, participant_id: str, badge_code: str
) -> RowMapping | None:
    """The definition, with the participant's award of it under `award_…` where there is one."""
    held = and_(
        awards.c.tenant_id == badges.c.tenant_id,
        awards.c.badge_id == badges.c.id,
        awards.c.participant_id == participant_id,
    )
    query = (
        select(*badges.c, *(awards.c[name].label(f"award_{name}") for name in _AWARD))
        .select_from(badges.outerjoin(awards, held))
        .where(badges.c.tenant_id == tenant_id, badges.c.code == badge_code)
    )
    return (await connection.execute(query)).mappings().first()


async def _award(connection: Connection, row: RowMapping, participant_id: str) -> ExplainedAward:
    found = {name: row[f"award_{name}"] for name in _AWARD}
    topic, partition, offset = found.pop("topic"), found.pop("partition"), found.pop("offset")
    event_id = award_event_id((row["tenant_id"], participant_id, row["id"]))
    return ExplainedAward(
        **found,
        key_name=await _find_key_name(connection, row["tenant_id"], key_of_source(found["source"])),
        place=None if topic is None else RecordPlace(topic=topic, partition=partition, offset=offset),
        event_id=event_id,
        event=await _find_event(connection, event_id, found["recorded_at"]),
    )


async def _find_key_name(connection: Connection, tenant_id: UUID, key_id: UUID | None) -> str | None:
    """Of the tenant's own keys only: a source may name any id."""
    if key_id is None:
        return None
    query = select(api_keys.c.name).where(api_keys.c.id == key_id, api_keys.c.tenant_id == tenant_id)
    return (await connection.execute(query)).scalar_one_or_none()


async def _find_event(connection: Connection, event_id: UUID, recorded_at: datetime) -> EventState:
    """Ask after the award was seen: what the outbox no longer holds of its batch is emitted."""
    wanted = {"event_id": str(event_id).encode(), "recorded_at": recorded_at}
    row = (await connection.execute(_FIND_EVENT, wanted)).first()
    if row is None:
        return EventState.EMITTED
    return EventState.WAITING if row.emit_seq is None else EventState.BEING_PUBLISHED


async def _find_rejections(
    connection: Connection, tenant_id: UUID, participant_id: str, badge_code: str
) -> Sequence[ExplainedRejection]:
    """The newest first; one more than is shown, to tell whether there are others."""
    query = (
        select(*rejected_requests.c)
        .where(
            rejected_requests.c.tenant_id == tenant_id,
            rejected_requests.c.participant_id == participant_id,
            rejected_requests.c.badge_code == badge_code,
        )
        .order_by(rejected_requests.c.rejected_at.desc(), rejected_requests.c.offset.desc())
        .limit(MOST_REJECTIONS + 1)
    )
    return [
        ExplainedRejection(
            reason=row["reason"],
            detail=row["detail"],
            request_id=row["request_id"],
            place=RecordPlace(topic=row["topic"], partition=row["partition"], offset=row["offset"]),
            rejected_at=row["rejected_at"],
            redriven_at=row["redriven_at"],
        )
        for row in (await connection.execute(query)).mappings()
    ]
