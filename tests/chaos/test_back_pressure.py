"""Too much at once: a queue far longer than a worker can empty soon, and callers without end while Kafka is away."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from signal import SIGCONT, SIGSTOP

import httpx
import psutil
import pytest

from builders import award_request, publish
from devstack.seed import DemoTenant
from messaging.group_offsets import open_client
from messaging.lag import read_lag
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from observers import worker_group
from processes import Installation, Service
from servers import KafkaProcess

MEGABYTE = 1024 * 1024
ANSWER_SECONDS = 10.0
"""Promised are 5; the callers are on the same machine, and busy too."""
CHUNK = 10_000
CALLERS = 30
FLOOD_SECONDS = 15
REQUESTS_AT_ONCE = 20


def memory(service: Service) -> float:
    """The process's resident memory in MB."""
    assert service.process is not None
    return float(psutil.Process(service.process.pid).memory_info().rss / MEGABYTE)


async def waiting(kafka: KafkaSettings) -> int:
    """How many requests no worker has done yet."""
    async with open_client(kafka) as client:
        return sum(partition.waiting for partition in await read_lag(client, topics_of(kafka)))


async def award(client: httpx.AsyncClient, participant_id: str) -> httpx.Response:
    """Call, and see that the answer comes in time."""
    answer = await client.post(
        "/api/v1/gamify/badges/award", json={"participant_id": participant_id, "badge_code": "power_user"}
    )
    assert answer.elapsed.total_seconds() < ANSWER_SECONDS
    return answer


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("requests", "batch_size"),
    [pytest.param(20_000, "10"), pytest.param(1_000_000, "1000", marks=pytest.mark.whole_backlog)],
)
async def test_worker_far_behind_keeps_its_partitions_and_its_size(
    requests: int, batch_size: str, badges: Installation, demo: DemoTenant
) -> None:
    for first in range(0, requests, CHUNK):
        chunk = (award_request(tenant_id=demo.id, participant_id=f"user_{first + n}") for n in range(CHUNK))
        await publish(badges.kafka, *chunk)
    gateway, worker = badges.gateway(), badges.worker(batch_size=batch_size)
    await asyncio.gather(gateway.ready(), worker.ready())
    async with httpx.AsyncClient(base_url=gateway.url, headers={"X-API-Key": demo.live_key}, timeout=15) as client:
        while await waiting(badges.kafka) > requests * 0.95:
            await asyncio.sleep(0.1)
        at_first, grown = await worker_group(badges.kafka), memory(worker)
        answers = Counter[tuple[int, str]]()
        sizes = [grown]
        while await waiting(badges.kafka) > requests * 0.3:
            answer = await award(client, f"caller_{answers.total()}")
            answers[answer.status_code, answer.json().get("code", "")] += 1
            sizes.append(memory(worker))
        assert answers[503, "award_pending"] >= 1, answers
        assert set(answers) <= {(503, "award_pending"), (200, "")}
        while await waiting(badges.kafka):
            await asyncio.sleep(0.5)
            sizes.append(memory(worker))
        print(f"{requests:,} requests: {sizes[0]:.0f} MB, at most {max(sizes):.0f} MB; {answers}")  # noqa: T201 - figures
        assert max(sizes) < grown + 60
        assert await worker_group(badges.kafka) == at_first == ("Stable", at_first[1])
        assert (await award(client, "last")).status_code == 200


@asynccontextmanager
async def hanging(broker: KafkaProcess) -> AsyncIterator[None]:
    """Stop the broker meanwhile, as a machine that hangs."""
    running = broker._child._running
    assert running is not None
    running.send_signal(SIGSTOP)
    try:
        yield
    finally:
        running.send_signal(SIGCONT)


async def test_callers_without_end_while_kafka_hangs_are_answered_in_time_and_cost_nothing(
    own_kafka: KafkaProcess, own_kafka_badges: Installation, demo: DemoTenant
) -> None:
    gateway = own_kafka_badges.gateway(requests_at_once=str(REQUESTS_AT_ONCE))
    own_kafka_badges.worker()
    await asyncio.gather(*(service.ready() for service in own_kafka_badges.services))
    answers = Counter[tuple[int, str]]()
    limits = httpx.Limits(max_connections=CALLERS)
    loop = asyncio.get_running_loop()
    async with httpx.AsyncClient(
        base_url=gateway.url, headers={"X-API-Key": demo.live_key}, timeout=15, limits=limits
    ) as client:

        async def call(caller: int, until: float) -> None:
            while loop.time() < until:
                answer = await award(client, f"caller_{caller}_{answers.total()}")
                answers[answer.status_code, answer.json().get("code", "")] += 1
                if answer.status_code != httpx.codes.OK:
                    assert int(answer.headers["Retry-After"]) >= 1
                    await asyncio.sleep(0.5)

        async def flood(seconds: float) -> None:
            until = loop.time() + seconds
            await asyncio.gather(*(call(caller, until) for caller in range(CALLERS)))

        async with hanging(own_kafka):
            await flood(FLOOD_SECONDS / 3)
            grown = memory(gateway)
            await flood(FLOOD_SECONDS)
            assert set(answers) <= {(503, "unavailable"), (503, "award_pending")}, answers
            assert answers.total() > CALLERS
            assert memory(gateway) < grown + 30
        async with asyncio.timeout(30):
            while (await award(client, "afterwards")).status_code != httpx.codes.OK:
                await asyncio.sleep(0.2)
