"""Work at a steady rate, with a bound on how much of it is under way."""

import asyncio
from collections.abc import Awaitable, Callable


async def paced(work: Callable[[], Awaitable[None]], *, rate: float, most_under_way: int, ended: asyncio.Event) -> None:
    """Begin `work` so many times a second until `ended`, then wait for what is under way.

    While too much is under way nothing is begun, and what was missed is not made up for: an outage is not
    followed by a flood.
    """
    loop = asyncio.get_running_loop()
    room = asyncio.Semaphore(most_under_way)

    async def one() -> None:
        try:
            await work()
        finally:
            room.release()

    begin_at = loop.time()
    async with asyncio.TaskGroup() as group:
        while not ended.is_set():
            await room.acquire()
            group.create_task(one())
            begin_at = max(begin_at + 1 / rate, loop.time() - 0.1)
            await asyncio.sleep(max(0.0, begin_at - loop.time()))
