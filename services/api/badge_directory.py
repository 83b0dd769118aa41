"""Which badge codes are worth publishing a request for."""

from uuid import UUID

from cachetools import TTLCache

from domain.errors import BadgeNotFoundError
from storage.badges import is_active_badge
from storage.database import Database

CACHE_SECONDS = 5.0
CACHE_CODES = 10_000


class BadgeDirectory:
    """Remembers codes that were active a moment ago.

    It only saves work: a code it does not know is looked up, and the worker has the last word on
    every request. Without it each mistyped code would leave a dead letter.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._active: TTLCache[tuple[UUID, str], bool] = TTLCache(CACHE_CODES, CACHE_SECONDS)

    async def require_active(self, tenant_id: UUID, code: str) -> None:
        """Return if the code may be awarded.

        Raises:
            BadgeNotFoundError: no active badge has the code now.
            StorageUnavailableError: Postgres cannot tell.
        """
        if (tenant_id, code) in self._active:
            return
        async with self._database.querying() as connection:
            found = await is_active_badge(connection, tenant_id, code)
        if not found:
            raise BadgeNotFoundError(code)
        self._active[tenant_id, code] = True
