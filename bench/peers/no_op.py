"""The ceiling of HTTP awards: a FastAPI handler that reads the body, does nothing and answers."""

from datetime import UTC, datetime

import uvicorn
from fastapi import FastAPI

from bench.peers.bodies import AwardAnswer, AwardBody
from bench.peers.settings import PeerSettings


def create_app() -> FastAPI:
    """Build the app."""
    app = FastAPI()

    @app.post("/api/v1/gamify/badges/award")
    async def award(body: AwardBody) -> AwardAnswer:
        return AwardAnswer(
            participant_id=body.participant_id,
            badge_code=body.badge_code,
            badge_name="Power User",
            icon=None,
            rarity="rare",
            earned_at=datetime.now(UTC),
            already_earned=False,
        )

    @app.get("/readyz")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    return app


if __name__ == "__main__":
    uvicorn.run(create_app(), port=PeerSettings().port, access_log=False, log_level="warning")
