"""Defines the badges of a file that the tenant does not have, before anything asks for them."""

from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from badgectl.import_rows import ImportRow
from domain.badges import NewBadge, Rarity
from storage.database import Database
from storage.imports import create_missing_badges


class MissingBadges:
    """Creates each missing definition once; what is defined stays as it is."""

    def __init__(self, database: Database, *, tenant_id: UUID, new_id: Callable[[], UUID]) -> None:
        self._database = database
        self._tenant_id = tenant_id
        self._new_id = new_id
        self._known: set[str] = set()

    async def create(self, rows: Iterable[ImportRow]) -> Sequence[str]:
        """Define what the rows lack; return the codes made. A code's first row says name and rarity.

        Raises:
            StorageError: nothing was made.
        """
        firsts = {row.badge_code: row for row in rows if row.badge_code not in self._known}
        if not firsts:
            return []
        new = [
            (self._new_id(), NewBadge(code=row.badge_code, name=row.badge_name, rarity=row.rarity or Rarity.COMMON))
            for row in firsts.values()
        ]
        async with self._database.transaction() as connection:
            created = await create_missing_badges(connection, tenant_id=self._tenant_id, new=new)
        self._known.update(firsts)
        return created
