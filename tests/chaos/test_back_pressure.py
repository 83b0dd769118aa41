"""Too much at once: a queue far longer than a worker can empty soon, and callers without end while Kafka is away."""

import asyncio
from collections import Counter
from itertools import count

import asyncpg
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
ANSWER_SECONDS = 5.0
BUSY_MACHINE_SECONDS = 5.0
"""The callers are on the same machine."""
CHUNK = 10_000
CALLERS = 30
FLOOD_SECONDS = 8
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
    assert answer.elapsed.total_seconds() < ANSWER_SECONDS + BUSY_MACHINE_SECONDS
    return answer


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("requests", [pytest.param(20_000), pytest.param(1_000_000, marks=pytest.mark.whole_backlog)])
async def test_worker_far_behind_keeps_its_partitions_and_its_size(
    requests: int, badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    for first in range(0, requests, CHUNK):
        chunk = (award_request(tenant_id=demo.id, participant_id=f"user_{first + n}") for n in range(CHUNK))
        await publish(badges.kafka, *chunk)
    gateway, worker = badges.gateway(), badges.worker()
    await asyncio.gather(gateway.ready(), worker.ready())
    async with httpx.AsyncClient(base_url=gateway.url, headers={"X-API-Key": demo.live_key}, timeout=15) as client:
        while await waiting(badges.kafka) > requests * 0.95:
            await asyncio.sleep(0.1)
        async with connection.transaction():  # however fast the machine is, the worker is far behind meanwhile
            await connection.execute("LOCK TABLE awards IN SHARE MODE")
            at_first, grown = await worker_group(badges.kafka), memory(worker)
            answer = await award(client, "caller")
            assert (answer.status_code, answer.json()["code"]) == (503, "award_pending")
            assert int(answer.headers["Retry-After"]) >= 1
            assert await waiting(badges.kafka) > requests * 0.1
        sizes = [grown]
        while await waiting(badges.kafka):
            await asyncio.sleep(0.5)
            sizes.append(memory(worker))
        print(f"{requests:,} requests: {sizes[0]:.0f} MB, at most {max(sizes):.0f} MB")  # noqa: T201 - figures
        assert max(sizes) < grown + 60
        assert await worker_group(badges.kafka) == at_first == ("Stable", at_first[1])
        assert (await award(client, "last")).status_code == 200


async def slow_down(broker: KafkaProcess) -> None:
    """Let the broker work for a tenth of the time, until cancelled."""
    while True:
        with broker.hanging():
            await asyncio.sleep(0.9)
        await asyncio.sleep(0.1)


class Flood:
    """Callers that go on as soon as they are answered, and what they are answered."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._numbers = count()
        self.answers = Counter[tuple[int, str]]()

    async def last(self, seconds: float) -> None:
        """Return after so long, with every call answered in time, each refusal with the time to try again."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        await asyncio.gather(*(self._call(until, loop) for _ in range(CALLERS)))

    async def _call(self, until: float, loop: asyncio.AbstractEventLoop) -> None:
        while loop.time() < until:
            answer = await award(self._client, f"caller_{next(self._numbers)}")
            told = answer.json()
            self.answers[answer.status_code, told.get("detail", "")] += 1
            if answer.status_code != httpx.codes.OK:
                assert told["code"] in {"unavailable", "award_pending"}
                assert int(answer.headers["Retry-After"]) >= 1
                await asyncio.sleep(0.5)


async def test_callers_without_end_while_kafka_hangs_or_is_slow_are_answered_in_time_and_cost_nothing(
    own_kafka: KafkaProcess, own_kafka_badges: Installation, demo: DemoTenant
) -> None:
    gateway = own_kafka_badges.gateway(requests_at_once=str(REQUESTS_AT_ONCE))
    worker = own_kafka_badges.worker()
    await asyncio.gather(*(service.ready() for service in own_kafka_badges.services))
    headers, limits = {"X-API-Key": demo.live_key}, httpx.Limits(max_connections=CALLERS)
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=30, limits=limits) as client:
        flood = Flood(client)
        with own_kafka.hanging():
            await flood.last(FLOOD_SECONDS / 2)
            grown = memory(gateway)
            await flood.last(FLOOD_SECONDS)
        assert {status for status, _ in flood.answers} == {503}
        assert any("The gateway" in detail for _, detail in flood.answers), flood.answers
        slow = asyncio.create_task(slow_down(own_kafka))
        await flood.last(FLOOD_SECONDS)
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        assert memory(gateway) < grown + 30
        async with asyncio.timeout(30):
            while (await award(client, "afterwards")).status_code != httpx.codes.OK:
                assert worker.process is not None
                if worker.process.poll() is not None:  # it may give up: supervisors start it again
                    worker.start()
                await asyncio.sleep(0.2)
