"""The FastAPI app of both dual-writing peers: they differ in how they write."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Protocol
from uuid import UUID, uuid4

import asyncpg
from fastapi import Depends, FastAPI, Header, HTTPException

from bench.peers.bodies import AwardAnswer, AwardBody, BadgeAwarded
from bench.peers.definitions import Badge, Definitions
from bench.peers.settings import PeerSettings


class Awards(Protocol):
    """Where awards are written."""

    async def award(self, event: BadgeAwarded) -> tuple[datetime, bool]:
        """Return since when the participant has the badge, and whether it had it before this call."""
        ...


OpenAwards = Callable[[PeerSettings, asyncpg.Pool], AbstractAsyncContextManager[Awards]]


def create_award_app(settings: PeerSettings, open_awards: OpenAwards) -> FastAPI:
    """Build the app. Nothing connects before its lifespan begins."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            asyncpg.create_pool(settings.database_url, min_size=1, max_size=settings.database_connections) as pool,
            open_awards(settings, pool) as awards,
        ):
            app.state.definitions, app.state.awards = Definitions(pool), awards
            yield

    app = FastAPI(lifespan=lifespan)

    async def tenant(x_api_key: Annotated[str, Header()]) -> UUID:
        definitions: Definitions = app.state.definitions
        tenant_id = await definitions.tenant_of(x_api_key)
        if tenant_id is None:
            raise HTTPException(401)
        return tenant_id

    @app.post("/api/v1/gamify/badges/award")
    async def award(body: AwardBody, tenant_id: Annotated[UUID, Depends(tenant)]) -> AwardAnswer:
        definitions: Definitions = app.state.definitions
        badge = await definitions.badge(tenant_id, body.badge_code)
        if badge is None:
            raise HTTPException(404)
        awards: Awards = app.state.awards
        earned_at, already_earned = await awards.award(_event(body, tenant_id, badge))
        return AwardAnswer(
            participant_id=body.participant_id,
            badge_code=body.badge_code,
            badge_name=badge.name,
            icon=badge.icon,
            rarity=badge.rarity,
            earned_at=earned_at,
            already_earned=already_earned,
        )

    @app.get("/readyz")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    return app


def _event(body: AwardBody, tenant_id: UUID, badge: Badge) -> BadgeAwarded:
    return BadgeAwarded(
        tenant_id=tenant_id,
        participant_id=body.participant_id,
        badge_id=badge.id,
        badge_code=badge.code,
        badge_name=badge.name,
        rarity=badge.rarity,
        icon=badge.icon,
        category=badge.category,
        earned_at=datetime.now(UTC),
        metadata=body.metadata,
        request_id=str(uuid4()),
        source="/peer",
    )
