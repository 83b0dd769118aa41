"""How fast queued requests are worked off, from a common start until the last event is visible."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter

import asyncpg

from bench.cpu import CpuMeter
from bench.installation import Installation, connected
from bench.processes import Running
from bench.visibility import watching

DRAIN_SECONDS = 1800

_WAITING = "SELECT count(DISTINCT pid) FROM pg_locks WHERE relation = 'awards'::regclass AND NOT granted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """Requests a second, and processor time per request by component, in microseconds."""

    per_second: float
    cpu_microseconds: Mapping[str, float]


async def drain(
    place: Installation,
    start_worker: Callable[[], Running],
    *,
    requests: int,
    events: int,
    workers: int = 1,
) -> Drained:
    """Work off what is queued, `requests` of which `events` lead to an event, with that many workers.

    The clock starts when every worker stands ready with its first batch.
    """
    async with watching(place.kafka) as visibility:
        async with _starting_line(place) as onlooker:

            async def all_wait() -> bool:
                return bool(await onlooker.fetchval(_WAITING) == workers)

            running = [start_worker() for _ in range(workers)]
            await running[-1].until(all_wait, "at the starting line")
            meter = CpuMeter(place, {"worker": running})
            began = perf_counter()
        ended = await visibility.when_visible(events, seconds=DRAIN_SECONDS, at_rest=meter.stop)
    for one in running:
        one.stop()
    return Drained(per_second=requests / (ended - began), cpu_microseconds=meter.microseconds(requests))


@asynccontextmanager
async def _starting_line(place: Installation) -> AsyncIterator[asyncpg.Connection]:
    """Let nobody insert an award before the context ends; lend a connection to look at who waits."""
    async with connected(place) as holder, connected(place) as onlooker, holder.transaction():
        await holder.execute("LOCK TABLE awards IN ACCESS EXCLUSIVE MODE")
        yield onlooker
