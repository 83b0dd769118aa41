"""What grows is trimmed in small steps, oldest first."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import pairwise

import asyncpg
import pytest

from award_worker.upkeep import ROWS_PER_STEP, keep_trimmed
from domain.errors import StorageError, StorageUnavailableError
from storage.database import Database
from storage.upkeep import trim_rejections

REJECT = """
    INSERT INTO rejected_requests (topic, partition, "offset", timestamp_ms, reason, detail, rejected_at)
    SELECT 'award_requests', 0, n, 0, 'malformed_json', '', now() - make_interval(days => n)
    FROM generate_series(1, 40) AS n
"""


def trimming(database: Database) -> Callable[[int], Awaitable[int]]:
    """Trim as the worker does, what is older than 30 days."""

    async def trim(most: int) -> int:
        async with database.transaction() as connection:
            return await trim_rejections(connection, retention=timedelta(days=30), most=most)

    return trim


async def offsets(connection: asyncpg.Connection) -> list[int]:
    """The offsets of the rejected requests that are left."""
    return [row["offset"] for row in await connection.fetch('SELECT * FROM rejected_requests ORDER BY "offset"')]


async def test_oldest_rejections_go_first_and_none_within_the_retention(
    database: Database, connection: asyncpg.Connection
) -> None:
    await connection.execute(REJECT)
    trim = trimming(database)
    assert await trim(4) == 4
    assert await offsets(connection) == list(range(1, 37))
    assert await trim(100) == 7
    assert await trim(100) == 0
    assert await offsets(connection) == list(range(1, 30))


async def test_two_that_trim_at_once_do_not_wait_for_each_other(
    database: Database, connection: asyncpg.Connection
) -> None:
    await connection.execute(REJECT)
    async with database.transaction() as other:
        assert await trim_rejections(other, retention=timedelta(days=30), most=5) == 5
        async with asyncio.timeout(2):
            assert await trimming(database)(100) == 6
    assert await offsets(connection) == list(range(1, 30))


@pytest.mark.parametrize("failure", [StorageUnavailableError("not now"), StorageError("no such column")])
async def test_upkeep_goes_on_after_a_failure_and_without_a_pause_while_there_is_more(failure: StorageError) -> None:
    steps: list[int | StorageError] = [ROWS_PER_STEP, failure, ROWS_PER_STEP, ROWS_PER_STEP, 1, 0]
    asked: list[float] = []
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def trim(most: int) -> int:
        assert most == ROWS_PER_STEP
        asked.append(loop.time())
        step = steps.pop(0)
        if not steps:
            done.set()
        if isinstance(step, StorageError):
            raise step
        return step

    upkeep = asyncio.create_task(keep_trimmed(trim, pause=0.5))
    async with asyncio.timeout(10):
        await done.wait()
    upkeep.cancel()
    pauses = [after - before for before, after in pairwise(asked)]
    assert [pause >= 0.5 for pause in pauses] == [False, True, False, False, True]
