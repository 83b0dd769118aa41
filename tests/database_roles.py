"""A database whose every user may do what its role needs, and nothing else, as `deploy/postgres` says."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

SCRIPT = Path(__file__).parents[1] / "deploy" / "postgres" / "roles.sql"
OWNER, API, WORKER, OPERATOR = "badges_owner", "badges_api", "badges_worker", "badges_operator"


async def make_roles(database_url: str) -> Mapping[str, str]:
    """Run the script as the superuser of this URL, give each role a password, and return their URLs."""
    # Roles are the whole server's, which other tests may use at the same time; a lock is a database's own.
    turn = await asyncpg.connect(database_url, database="postgres")
    await turn.execute("SELECT pg_advisory_lock(1)")
    bare = await asyncpg.connect(database_url)
    try:
        await bare.execute(SCRIPT.read_text(encoding="utf-8"))
        urls = {}
        for role in (OWNER, API, WORKER, OPERATOR):
            password = f"{role}_password"
            await bare.execute(f"ALTER ROLE {role} PASSWORD '{password}'")
            urls[role] = _as(database_url, role, password)
    finally:
        await bare.close()
        await turn.close()
    return urls


def _as(database_url: str, user: str, password: str) -> str:
    parts = urlsplit(database_url)
    return parts._replace(netloc=f"{user}:{password}@{parts.hostname}:{parts.port}").geturl()
