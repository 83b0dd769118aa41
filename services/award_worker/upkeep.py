"""Deletes old rows in small steps, so that nothing waits for them."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from domain.errors import StorageError

ROWS_PER_STEP = 1000
STEP_PAUSE_SECONDS = 0.1
PAUSE_SECONDS = 60.0

log = structlog.get_logger()

Trim = Callable[[int], Awaitable[int]]
"""Deletes at most so many rows, and returns how many."""


async def keep_trimmed(trim: Trim, *, pause: float = PAUSE_SECONDS) -> None:
    """Trim for ever: step by step while there is something to trim, else every `pause` seconds.

    Awards do not depend on it: what fails is logged, and tried again.
    """
    while True:
        trimmed = 0
        try:
            trimmed = await trim(ROWS_PER_STEP)
        except StorageError as error:
            log.warning("upkeep.put_off", error=str(error))
        if trimmed:
            log.info("upkeep.trimmed", rejected_requests=trimmed)
        await asyncio.sleep(STEP_PAUSE_SECONDS if trimmed == ROWS_PER_STEP else pause)
