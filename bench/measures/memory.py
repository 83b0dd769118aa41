"""Whether a worker's memory stays as it is over millions of requests."""

import asyncio
import contextlib
from statistics import median

from bench.backlog import publish_requests
from bench.drains import drain
from bench.processes import Running
from bench.setting import Figures, Setting

SAMPLE_SECONDS = 0.2
MEBIBYTE = 1024 * 1024


async def worker_memory(setting: Setting) -> Figures:
    """The highest, and how far the last tenth of the time lies above the second."""
    requests = setting.effort.requests_for_memory
    watched: list[Running] = []
    samples: list[int] = []

    async with setting.installation() as place:

        def start() -> Running:
            watched.append(place.worker())
            return watched[-1]

        async def sample() -> None:
            while True:
                samples.extend(worker.rss_bytes() for worker in watched if worker.runs)
                await asyncio.sleep(SAMPLE_SECONDS)

        await publish_requests(place, range(requests))
        sampling = asyncio.create_task(sample())
        try:
            await drain(place, start, requests=requests, events=requests)
        finally:
            sampling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sampling
    tenth = max(1, len(samples) // 10)
    growth = median(samples[-tenth:]) - median(samples[tenth : 2 * tenth] or samples)
    return {"worker_rss_max_mb": max(samples) / MEBIBYTE, "worker_rss_growth_mb": growth / MEBIBYTE}
