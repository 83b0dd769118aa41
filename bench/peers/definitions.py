"""Whose key it is, and what a badge code means; remembered for some seconds, as our gateway does."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

import asyncpg
from cachetools import TTLCache

CACHE_SECONDS = 5
CACHE_ENTRIES = 10_000

_TENANT = """
    SELECT k.tenant_id FROM api_keys AS k JOIN tenants AS t ON t.id = k.tenant_id
    WHERE k.key_hash = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()) AND t.is_enabled
"""
_BADGE = """
    SELECT id, code, name, icon_url AS icon, rarity, category FROM badges
    WHERE tenant_id = $1 AND code = $2 AND is_active
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """An active definition."""

    id: UUID
    code: str
    name: str
    icon: str | None
    rarity: str
    category: str | None


class Definitions:
    """Looks up in Postgres what it has not looked up lately."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._tenants: TTLCache[str, UUID] = TTLCache(CACHE_ENTRIES, CACHE_SECONDS)
        self._badges: TTLCache[tuple[UUID, str], Badge] = TTLCache(CACHE_ENTRIES, CACHE_SECONDS)

    async def tenant_of(self, key: str) -> UUID | None:
        """Return the enabled tenant whose key it is; None if none."""
        tenant_id = self._tenants.get(key)
        if tenant_id is None:
            tenant_id = await self._pool.fetchval(_TENANT, hashlib.sha256(key.encode()).digest())
            if tenant_id is not None:
                self._tenants[key] = tenant_id
        return tenant_id

    async def badge(self, tenant_id: UUID, code: str) -> Badge | None:
        """Return the active badge with that code; None if none."""
        badge = self._badges.get((tenant_id, code))
        if badge is None:
            row = await self._pool.fetchrow(_BADGE, tenant_id, code)
            if row is not None:
                badge = self._badges[tenant_id, code] = Badge(**row)
        return badge
