"""One transaction on the database that the command line is told of."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import typer

from badgectl import addresses
from badgectl.failures import failures_told
from storage.database import Connection, Database

Result = TypeVar("Result")


SURVEY_SECONDS = 600
"""For what must be counted in full: after the incident that a survey is for, there may be millions."""


def in_database(work: Callable[[Connection], Awaitable[Result]], *, statement_seconds: float | None = None) -> Result:
    """Do `work` in one transaction and return its result; a failure is told, and ends the command.

    A statement may take 10 s unless told.
    """

    async def run() -> Result:
        database = Database(
            addresses.database_url(), application="badgectl", pool_size=1, statement_seconds=statement_seconds
        )
        try:
            async with database.transaction() as connection:
                return await work(connection)
        finally:
            await database.close()

    with failures_told():
        return asyncio.run(run())
    raise typer.Exit(1)
