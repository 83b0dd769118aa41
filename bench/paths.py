"""How fast awards go, by each way, side by side in one run.

Needs a stack: `badgectl up --detach` in this folder, then `.venv/bin/python bench/paths.py`.
Every round does each way once, in turn; figures are medians over the rounds, ratios are within a round.
"""

import asyncio
import json
import statistics
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import httpx
from aiokafka.structs import TopicPartition
from rich.console import Console
from rich.table import Table

from domain.awards import AwardRequest
from messaging.award_requested import encode_request
from messaging.clients import create_producer, create_reader
from messaging.settings import KafkaSettings
from messaging.topics import topics_of

ROUNDS = 3
HTTP_CALLS = 2000
HTTP_CLIENTS = 32
STREAMED = 20_000
CODE = "power_user"
STACK = Path(".badges/stack.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Where the running stack answers."""

    api_url: str
    database_url: str
    kafka: KafkaSettings
    tenant_id: str
    key: str


async def one_caller(stack: Stack) -> float:
    """One HTTP caller, one call after the other; awards a second."""
    return await _http(stack, clients=1, calls=HTTP_CALLS // 8)


async def many_callers(stack: Stack) -> float:
    """32 HTTP callers at once."""
    return await _http(stack, clients=HTTP_CLIENTS, calls=HTTP_CALLS)


async def streamed(stack: Stack) -> float:
    """Requests published on Kafka, until every event is visible."""
    topics = topics_of(stack.kafka)
    consumer = create_reader(stack.kafka, fetch_max_wait_ms=20)
    producer = create_producer(stack.kafka, linger_ms=5)
    await consumer.start()
    await producer.start()
    try:
        numbers = await producer.partitions_for(topics.badge_awarded)
        partitions = [TopicPartition(topics.badge_awarded, number) for number in numbers]
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        for partition in partitions:
            await consumer.position(partition)
        started = time.perf_counter()
        sending = asyncio.create_task(_publish(stack, producer.send, topics.award_requests))
        seen = 0
        async with asyncio.timeout(120):
            while seen < STREAMED:
                seen += sum(len(records) for records in (await consumer.getmany(timeout_ms=100)).values())
        await sending
        return STREAMED / (time.perf_counter() - started)
    finally:
        await producer.stop()
        await consumer.stop()


async def bare_insert(stack: Stack) -> float:
    """The rows alone, 1,000 a statement, in a table like `awards` without keys to check."""
    connection = await asyncpg.connect(stack.database_url)
    try:
        await connection.execute("CREATE TEMP TABLE bare (LIKE awards INCLUDING ALL)")
        badge_id = uuid.uuid4()
        now = datetime.now(UTC)
        started = time.perf_counter()
        for first in range(0, STREAMED, 1000):
            participants = [f"bare_{number}" for number in range(first, first + 1000)]
            await connection.execute(
                "INSERT INTO bare (tenant_id, participant_id, badge_id, earned_at, request_id, source)"
                " SELECT $1, p, $2, $3, p, 'bench' FROM unnest($4::text[]) AS p ORDER BY p",
                uuid.UUID(stack.tenant_id),
                badge_id,
                now,
                participants,
            )
        return STREAMED / (time.perf_counter() - started)
    finally:
        await connection.close()


WAYS: Mapping[str, Callable[[Stack], Awaitable[float]]] = {
    "HTTP, 1 caller": one_caller,
    "HTTP, 32 callers": many_callers,
    "Kafka, until the event is visible": streamed,
    "bare insert into Postgres": bare_insert,
}


async def _http(stack: Stack, *, clients: int, calls: int) -> float:
    limits = httpx.Limits(max_connections=clients)
    headers = {"X-API-Key": stack.key}
    run = uuid.uuid4().hex
    async with httpx.AsyncClient(headers=headers, limits=limits, timeout=10) as client:

        async def caller(number: int) -> None:
            for call in range(calls // clients):
                body = {"participant_id": f"{run}-{number}-{call}", "badge_code": CODE}
                answer = await client.post(f"{stack.api_url}/api/v1/gamify/badges/award", json=body)
                answer.raise_for_status()

        started = time.perf_counter()
        await asyncio.gather(*(caller(number) for number in range(clients)))
        return calls / (time.perf_counter() - started)


async def _publish(stack: Stack, send: Callable[..., Awaitable[Awaitable[object]]], topic: str) -> None:
    run = uuid.uuid4().hex
    acknowledged = []
    for number in range(STREAMED):
        request = AwardRequest(
            tenant_id=uuid.UUID(stack.tenant_id),
            participant_id=f"{run}-{number}",
            badge_code=CODE,
            metadata=None,
            earned_at=datetime.now(UTC),
            request_id=f"{run}-{number}",
            source="/bench",
        )
        key, value, headers = encode_request(request)
        acknowledged.append(await send(topic, value, key=key, headers=headers))
    await asyncio.gather(*acknowledged)


def running_stack() -> Stack:
    """The stack in this folder."""
    try:
        found = json.loads(STACK.read_text())
    except FileNotFoundError:
        sys.exit("No stack is up in this folder: badgectl up --detach")
    return Stack(
        api_url=found["api_url"],
        database_url=found["postgres_dsn"],
        kafka=KafkaSettings(bootstrap=found["kafka_bootstrap"]),
        tenant_id=found["tenant"]["id"],
        key=found["tenant"]["live_key"],
    )


async def main(stack: Stack) -> None:
    """Measure and print; `--json` for scripts."""
    rounds: list[dict[str, float]] = []
    for number in range(ROUNDS):
        Console(stderr=True).print(f"round {number + 1} of {ROUNDS}")
        rounds.append({name: await way(stack) for name, way in WAYS.items()})
    base = next(iter(WAYS))
    rows = [
        {
            "way": name,
            "awards_per_second": round(statistics.median(one[name] for one in rounds)),
            "ratio": round(statistics.median(one[name] / one[base] for one in rounds), 1),
        }
        for name in WAYS
    ]
    if "--json" in sys.argv:
        print(json.dumps(rows, indent=2))
        return
    table = Table("way", "awards/s", f"times {base}")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)


if __name__ == "__main__":
    asyncio.run(main(running_stack()))
