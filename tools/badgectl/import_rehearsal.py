"""`badgectl import --dry-run`: what an import would come to, with nothing published or created."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

from badgectl.import_files import ImportFile
from badgectl.import_rows import ImportRow
from badgectl.import_run import check_tenant, count_rows
from badgectl.import_tally import Tally
from domain.awards import RejectionReason
from storage.database import Connection, Database
from storage.imports import begin_rehearsal, find_badge_codes, rehearse


class _Standing(StrEnum):
    """What awarding a badge would meet."""

    AWARDABLE = "awardable"
    TO_CREATE = "to create"
    REFUSED = "refused"


class _Rehearsal:
    """Counts rows as the worker would decide them."""

    def __init__(self, tally: Tally, *, tenant_id: UUID, creates_badges: bool) -> None:
        self._tally = tally
        self._tenant_id = tenant_id
        self._creates_badges = creates_badges
        self._standings: dict[str, _Standing] = {}

    async def take(self, connection: Connection, rows: Sequence[ImportRow]) -> None:
        """Count the rows of one chunk."""
        await self._look_up(connection, sorted({row.badge_code for row in rows} - self._standings.keys()))
        totals = Counter(row.badge_code for row in rows)
        pairs = [
            (row.participant_id, row.badge_code)
            for row in rows
            if self._standings[row.badge_code] is not _Standing.REFUSED
        ]
        new = await rehearse(connection, tenant_id=self._tenant_id, pairs=pairs) if pairs else {}
        for code, total in totals.items():
            if self._standings[code] is _Standing.REFUSED:
                self._tally.count_rejected(code, RejectionReason.BADGE_NOT_FOUND, total)
            else:
                self._tally.count_awarded(code, new.get(code, 0))
                self._tally.count_already_earned(code, total - new.get(code, 0))

    async def _look_up(self, connection: Connection, codes: Sequence[str]) -> None:
        if not codes:
            return
        found = await find_badge_codes(connection, tenant_id=self._tenant_id, codes=codes)
        for code in codes:
            if code in found:
                self._standings[code] = _Standing.AWARDABLE if found[code] else _Standing.REFUSED
            elif self._creates_badges:
                self._standings[code] = _Standing.TO_CREATE
                self._tally.created.append(code)
            else:
                self._standings[code] = _Standing.REFUSED


async def rehearse_import(
    database: Database, file: ImportFile, tally: Tally, *, tenant_id: UUID, creates_badges: bool
) -> None:
    """Count what each row would come to. What was seen is kept in a transaction that is rolled back.

    Raises:
        CommandError, StorageError: it cannot begin, or Postgres went away.
    """
    await check_tenant(database, tenant_id)
    rehearsal = _Rehearsal(tally, tenant_id=tenant_id, creates_badges=creates_badges)
    async with database.reading() as connection:
        await begin_rehearsal(connection)
        for chunk in file.chunks():
            if rows := count_rows(chunk, tally):
                await rehearsal.take(connection, rows)
