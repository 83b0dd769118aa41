"""What to do with a failure: try again, find the guilty request, or stop."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import TypeVar

from domain.errors import DataRefusedError, StorageUnavailableError

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 2.0
PATIENCE_SECONDS = 240.0
"""Less than `max_poll_interval_ms`: beyond that Kafka gives our partitions to another worker."""

T = TypeVar("T")


class Action(Enum):
    """What the worker must do."""

    RETRY = auto()
    """The world is not ready: the same again, later."""
    ISOLATE = auto()
    """One request is not acceptable to Postgres: find it, and dead-letter it alone."""
    STOP = auto()
    """Nobody knows: leave the process, so that nothing is skipped; the supervisor restarts it."""


def action_for(error: BaseException) -> Action:
    """Classify a failure of a batch."""
    match error:
        case StorageUnavailableError():
            return Action.RETRY
        case DataRefusedError():
            return Action.ISOLATE
        case _:
            return Action.STOP


async def with_patience(
    attempt: Callable[[], Awaitable[T]],
    *,
    on_retry: Callable[[BaseException], None],
    patience: float = PATIENCE_SECONDS,
) -> T:
    """Return the result of `attempt`, tried again with a growing pause while it may yet succeed.

    Raises:
        Exception: what `attempt` raised, when trying again is no use or `patience` (seconds) is
            used up.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return await attempt()
        except Exception as error:
            if action_for(error) is not Action.RETRY or loop.time() + pause > deadline:
                raise
            on_retry(error)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
