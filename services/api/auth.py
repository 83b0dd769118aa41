"""From the X-API-Key header to the principal: 401, then 403 for the tenant, then for the scope."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

import structlog
from cachetools import TTLCache
from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader

from domain.errors import ForbiddenError, UnauthorizedError
from domain.tenants import Principal, hash_key, is_key_shaped
from domain.times import Clock
from storage.database import Database
from storage.tenants import find_principal, record_key_use

CACHE_SECONDS = 2.0
"""A revoked key or disabled tenant works no longer than this (promised: 5 s)."""

UNKNOWN_CACHE_SECONDS = 1.0
"""A key that was unknown is looked up again after this: never later than a known one."""

CACHE_KEYS = 10_000
USE_SECONDS = 30.0

log = structlog.get_logger()

api_key_header = APIKeyHeader(
    name="X-API-Key",
    scheme_name="ApiKey",
    auto_error=False,
    description="`bq_live_…` or `bq_test_…`, then 32 lower-case hex digits. Made with `badgectl keys create`.",
)
KEY_NEEDED: Mapping[str, object] = {"security": [{api_key_header.scheme_name: []}]}


class Authenticator:
    """Knows keys by their hashes, and remembers for a moment what it found.

    A key is compared as a SHA-256 in an index, never character by character: time tells nothing of it.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: TTLCache[bytes, Principal] = TTLCache(CACHE_KEYS, CACHE_SECONDS)
        self._unknown: TTLCache[bytes, bool] = TTLCache(CACHE_KEYS, UNKNOWN_CACHE_SECONDS)
        self._used: dict[UUID, datetime] = {}

    async def authenticate(self, key: str | None) -> Principal:
        """Return who holds the key.

        Raises:
            UnauthorizedError: missing, malformed, unknown, expired or revoked.
            ForbiddenError: the tenant is disabled.
            StorageUnavailableError: Postgres cannot tell.
        """
        if key is None or not is_key_shaped(key):
            raise UnauthorizedError
        key_hash = hash_key(key)
        principal = self._known.get(key_hash) or await self._look_up(key_hash)
        self._used[principal.key_id] = self._clock()
        if not principal.tenant_is_enabled:
            raise ForbiddenError("The tenant is disabled")
        return principal

    async def record_uses(self) -> None:
        """Write down, every 30 s until cancelled, when keys were last used: one statement for all of them."""
        while True:
            await asyncio.sleep(USE_SECONDS)
            await self.record_uses_now()

    async def record_uses_now(self) -> None:
        """Write down what is known of uses. Where Postgres cannot do it, the next time will."""
        used, self._used = self._used, {}
        if not used:
            return
        try:
            async with self._database.transaction() as connection:
                await record_key_use(connection, used)
        except Exception as error:  # noqa: BLE001 - whatever it was: dates of use are not worth a task that ends
            log.warning("keys.use_not_recorded", error=repr(error))
            self._used = used | self._used

    async def _look_up(self, key_hash: bytes) -> Principal:
        if key_hash in self._unknown:
            raise UnauthorizedError
        async with self._database.querying() as connection:
            principal = await find_principal(connection, key_hash)
        if principal is None:
            self._unknown[key_hash] = True
            raise UnauthorizedError
        self._known[key_hash] = principal
        return principal


async def authenticated(request: Request, key: Annotated[str | None, Security(api_key_header)]) -> Principal:
    """Any valid key of an enabled tenant."""
    authenticator: Authenticator = request.app.state.services.authenticator
    return await authenticator.authenticate(key)


async def caller_of(request: Request) -> Principal:
    """As `authenticated`, without FastAPI's dependencies; `KEY_NEEDED` documents it."""
    return await authenticated(request, await api_key_header(request))


async def admin(principal: Annotated[Principal, Depends(authenticated)]) -> Principal:
    """A key that carries `admin` or `gamify:admin`."""
    if not principal.is_admin:
        raise ForbiddenError("The API key is missing the admin or gamify:admin scope")
    return principal


Participant = Annotated[Principal, Depends(authenticated)]
Admin = Annotated[Principal, Depends(admin)]
