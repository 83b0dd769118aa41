"""Asks Postgres for the outcomes whose answers were lost: with a killed worker, or a broker away."""

import asyncio
from itertools import islice
from uuid import UUID

import structlog

from badgectl.under_way import RequestsUnderWay
from domain.errors import StorageUnavailableError
from storage.database import Database
from storage.imports import find_outcomes

LATE_SECONDS = 5.0
PAUSE_SECONDS = 1.0
ROWS_PER_QUERY = 1000

log = structlog.get_logger()


async def ask_for_late_answers(database: Database, under_way: RequestsUnderWay, *, tenant_id: UUID) -> None:
    """Ask again and again until cancelled; a Postgres that is away is asked later."""
    while True:
        await asyncio.sleep(PAUSE_SECONDS)
        try:
            await _ask(database, under_way, tenant_id)
        except StorageUnavailableError as error:
            log.warning("import.late_answers_later", error=str(error))


async def _ask(database: Database, under_way: RequestsUnderWay, tenant_id: UUID) -> None:
    late = iter(under_way.late(LATE_SECONDS))
    while asked := list(islice(late, ROWS_PER_QUERY)):
        async with database.reading() as connection:
            outcomes = await find_outcomes(connection, tenant_id=tenant_id, asked=asked)
        for request_id, outcome in outcomes.items():
            under_way.learn(request_id, outcome)
