"""`badgectl import --dry-run`: what an import would come to, with nothing published or created."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from badgectl.import_files import ImportFile
from badgectl.import_rows import ImportRow
from badgectl.import_run import check_tenant, count_rows
from badgectl.import_tally import Tally
from badgectl.unawardable import BadgeStandings, Standing
from domain.awards import RejectionReason
from storage.database import Connection, Database
from storage.imports import begin_rehearsal, rehearse


class _Rehearsal:
    """Counts rows as the worker would decide them."""

    def __init__(self, tally: Tally, *, tenant_id: UUID, creates_badges: bool, skips_unawardable: bool) -> None:
        self._tally = tally
        self._tenant_id = tenant_id
        self._creates_badges = creates_badges
        self._skips_unawardable = skips_unawardable
        self._standings = BadgeStandings(tenant_id=tenant_id)
        self._created: set[str] = set()

    async def take(self, connection: Connection, rows: Sequence[ImportRow]) -> None:
        """Count the rows of one chunk."""
        hindered = await self._hindered(connection, rows)
        totals = Counter(row.badge_code for row in rows)
        pairs = [(row.participant_id, row.badge_code) for row in rows if row.badge_code not in hindered]
        new = await rehearse(connection, tenant_id=self._tenant_id, pairs=pairs) if pairs else {}
        for code, total in totals.items():
            if code not in hindered:
                self._tally.count_awarded(code, new.get(code, 0))
                self._tally.count_already_earned(code, total - new.get(code, 0))
            elif self._skips_unawardable:
                self._tally.count_skipped(code, total)
            else:
                self._tally.count_rejected(code, RejectionReason.BADGE_NOT_FOUND, total)

    async def _hindered(self, connection: Connection, rows: Sequence[ImportRow]) -> set[str]:
        """The codes of the rows that could not be awarded; those that would be created are noted."""
        standings = await self._standings.look_up(connection, rows)
        hindered: set[str] = set()
        for code in sorted({row.badge_code for row in rows} - self._created):
            if standings[code] is Standing.NOT_DEFINED and self._creates_badges:
                self._created.add(code)
                self._tally.created.append(code)
            elif standings[code] is not Standing.AWARDABLE:
                hindered.add(code)
        return hindered


async def rehearse_import(
    database: Database,
    file: ImportFile,
    tally: Tally,
    *,
    tenant_id: UUID,
    creates_badges: bool,
    skips_unawardable: bool,
) -> None:
    """Count what each row would come to. What was seen is kept in a transaction that is rolled back.

    Raises:
        CommandError, StorageError: it cannot begin, or Postgres went away.
    """
    await check_tenant(database, tenant_id)
    rehearsal = _Rehearsal(
        tally, tenant_id=tenant_id, creates_badges=creates_badges, skips_unawardable=skips_unawardable
    )
    async with database.reading() as connection:
        await begin_rehearsal(connection)
        for chunk in file.chunks():
            if rows := count_rows(chunk, tally):
                await rehearsal.take(connection, rows)
