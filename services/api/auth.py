"""From the X-API-Key header to the principal: 401, then 403 for the tenant, then for the scope."""

from typing import Annotated

from cachetools import TTLCache
from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader

from domain.errors import ForbiddenError, UnauthorizedError
from domain.tenants import Principal, hash_key, is_key_shaped
from storage.database import Database
from storage.tenants import find_principal

CACHE_SECONDS = 2.0
"""A revoked key or disabled tenant works no longer than this (promised: 5 s)."""

CACHE_KEYS = 10_000

api_key_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="`bq_live_…` or `bq_test_…`")


class Authenticator:
    """Knows keys by their hashes; good ones are remembered for a moment, bad ones never."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: TTLCache[bytes, Principal] = TTLCache(CACHE_KEYS, CACHE_SECONDS)

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
        if not principal.tenant_is_enabled:
            raise ForbiddenError("The tenant is disabled")
        return principal

    async def _look_up(self, key_hash: bytes) -> Principal:
        async with self._database.reading() as connection:
            principal = await find_principal(connection, key_hash)
        if principal is None:
            raise UnauthorizedError
        self._known[key_hash] = principal
        return principal


async def authenticated(request: Request, key: Annotated[str | None, Security(api_key_header)]) -> Principal:
    """Any valid key of an enabled tenant."""
    authenticator: Authenticator = request.app.state.services.authenticator
    return await authenticator.authenticate(key)


async def admin(principal: Annotated[Principal, Depends(authenticated)]) -> Principal:
    """A key that carries `admin` or `gamify:admin`."""
    if not principal.is_admin:
        raise ForbiddenError("The API key is missing the admin or gamify:admin scope")
    return principal


Participant = Annotated[Principal, Depends(authenticated)]
Admin = Annotated[Principal, Depends(admin)]
