"""The one INSERT of the peers that write SQL."""

import json

import asyncpg

from bench.peers.bodies import BadgeAwarded

_INSERT = """
    INSERT INTO awards (tenant_id, participant_id, badge_id, earned_at, metadata, request_id, source)
    VALUES ($1, $2, $3, $4, $5::text::jsonb, $6, $7)
    ON CONFLICT DO NOTHING RETURNING true
"""


async def insert_award(connection: asyncpg.Connection, event: BadgeAwarded) -> bool:
    """Insert the award; return whether it is new."""
    inserted: bool | None = await connection.fetchval(
        _INSERT,
        event.tenant_id,
        event.participant_id,
        event.badge_id,
        event.earned_at,
        None if event.metadata is None else json.dumps(event.metadata),
        event.request_id,
        event.source,
    )
    return inserted is not None
