"""The ceiling of the participant's list: a bare FastAPI handler with the gateway's SQL. It asks for no key."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import asyncpg
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from bench.peers.settings import PeerSettings

_LIST = """
    SELECT badges.code, badges.name, badges.description, badges.icon_url AS icon, badges.rarity, badges.category,
           awards.earned_at IS NOT NULL AS earned, awards.earned_at
    FROM badges LEFT OUTER JOIN awards
      ON awards.tenant_id = badges.tenant_id AND awards.badge_id = badges.id AND awards.participant_id = $2
    WHERE badges.tenant_id = $1 AND (awards.earned_at IS NOT NULL OR badges.is_active AND badges.is_hidden IS false)
    ORDER BY badges.display_order, badges.code
"""


class Entry(BaseModel):
    """One badge of the list."""

    code: str
    name: str
    description: str | None
    icon: str | None
    rarity: str
    category: str | None
    earned: bool
    earned_at: datetime | None


class BadgeList(BaseModel):
    """A participant's list."""

    participant_id: str
    badges: list[Entry]
    total: int
    earned_count: int


def create_app(settings: PeerSettings) -> FastAPI:
    """Build the app. Nothing connects before its lifespan begins."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        connections = settings.database_connections
        async with asyncpg.create_pool(settings.database_url, min_size=1, max_size=connections) as pool:
            app.state.pool = pool
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/api/v1/gamify/participants/{participant_id}/badges")
    async def badges(participant_id: str) -> BadgeList:
        rows = await app.state.pool.fetch(_LIST, settings.tenant_id, participant_id)
        entries = [Entry(**row) for row in rows]
        return BadgeList(
            participant_id=participant_id,
            badges=entries,
            total=len(entries),
            earned_count=sum(entry.earned for entry in entries),
        )

    @app.get("/readyz")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    return app


if __name__ == "__main__":
    settings = PeerSettings()
    uvicorn.run(create_app(settings), port=settings.port, access_log=False, log_level="warning")
