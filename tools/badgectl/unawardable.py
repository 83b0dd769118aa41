"""Which of a file's badges cannot be awarded: asked before their rows become requests, and so dead letters."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from uuid import UUID

from badgectl.import_rows import ImportRow
from storage.database import Connection
from storage.imports import find_badge_codes

_NAMED = 10


class Standing(StrEnum):
    """What awarding a badge would meet."""

    AWARDABLE = "awardable"
    NOT_DEFINED = "not defined"
    INACTIVE = "inactive"


class BadgeStandings:
    """The standing of each badge of a file, looked up when its first row comes; memory grows with the badges alone."""

    def __init__(self, *, tenant_id: UUID) -> None:
        self._tenant_id = tenant_id
        self._standings: dict[str, Standing] = {}

    async def look_up(self, connection: Connection, rows: Iterable[ImportRow]) -> Mapping[str, Standing]:
        """Return the standing of every badge so far, those of `rows` among them; a badge is asked for once.

        Raises:
            StorageError: nothing was learned.
        """
        codes = sorted({row.badge_code for row in rows} - self._standings.keys())
        if codes:
            found = await find_badge_codes(connection, tenant_id=self._tenant_id, codes=codes)
            for code in codes:
                active = Standing.AWARDABLE if found.get(code) else Standing.INACTIVE
                self._standings[code] = active if code in found else Standing.NOT_DEFINED
        return self._standings


def refusal(rows: Sequence[ImportRow], standings: Mapping[str, Standing]) -> str | None:
    """Say which badges of the rows cannot be awarded, and how to go on; None when all can."""
    hindered = sorted({row.badge_code for row in rows if standings[row.badge_code] is not Standing.AWARDABLE})
    if not hindered:
        return None
    named = ", ".join(f"{code} ({standings[code]})" for code in hindered[:_NAMED])
    more = f" and {len(hindered) - _NAMED} more" if len(hindered) > _NAMED else ""
    return (
        f"badges that cannot be awarded: {named}{more}. The import stopped before their first row. "
        "--create-badges defines those that are not defined, --skip-unawardable leaves the rows of all these out, "
        "--dry-run shows every such badge of the file."
    )
