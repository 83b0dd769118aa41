"""`badgectl lag`: what waits, since when, and who relays."""

import asyncio
import json
import signal
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c

from builders import award_request, publish
from devstack.seed import DemoTenant
from messaging.award_requested import encode_request
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from operator_commands import Ended, badgectl, begin, ended
from processes import Installation
from trimming import delete_records

PARTITIONS = 4
NOWHERE = "127.0.0.1:1"


async def run(place: Installation, *arguments: str, **environment: str) -> Ended:
    """`badgectl lag`, to its end."""
    async with asyncio.timeout(60):
        return await badgectl(place, "lag", *arguments, environment=environment)


async def sampled(place: Installation, *arguments: str) -> Mapping[str, Any]:
    """What `lag --json` prints."""
    told = await run(place, "--json", *arguments)
    assert (told.code, told.err) == (0, "")
    return told.json


@asynccontextmanager
async def transaction(kafka: KafkaSettings, *participants: str) -> AsyncIterator[None]:
    """Requests of an upstream service for partition 0 in a transaction, which is committed in the end."""
    producer = AIOKafkaProducer(**kafka.connection(), transactional_id=f"{kafka.prefix}upstream")
    await producer.start()
    try:
        async with producer.transaction():
            for participant_id in participants:
                key, value, headers = encode_request(award_request(participant_id=participant_id))
                topic = topics_of(kafka).award_requests
                await producer.send_and_wait(topic, value, key=key, headers=headers, partition=0)
            yield
    finally:
        await producer.stop()


def signed(batch: bytes) -> bytes:
    """The batch with its checksum made right."""
    return batch[:17] + struct.pack(">I", calc_crc32c(batch[21:])) + batch[21:]


def column(sample: Mapping[str, Any], name: str) -> Sequence[Any]:
    return [partition[name] for partition in sample["award_requests"]["partitions"]]


async def drained(connection: asyncpg.Connection, awards: int) -> None:
    async with asyncio.timeout(30):
        query = "SELECT count(*) = $1 AND NOT EXISTS (SELECT FROM outbox) FROM awards"
        while not await connection.fetchval(query, awards):
            await asyncio.sleep(0.05)


async def test_requests_that_wait_are_counted_and_aged(badges: Installation, demo: DemoTenant) -> None:
    requests = [award_request(tenant_id=demo.id, participant_id=f"u{n}") for n in range(5)]
    await publish(badges.kafka, *requests[:3], partition=1)
    await publish(badges.kafka, *requests[3:], partition=2)
    await asyncio.sleep(1)
    sample = await sampled(badges)
    assert column(sample, "partition") == [0, 1, 2, 3]
    assert column(sample, "lag") == [0, 3, 2, 0]
    assert column(sample, "committed") == [None] * PARTITIONS
    assert column(sample, "end") == [0, 3, 2, 0]
    ages = column(sample, "oldest_seconds")
    assert (ages[0], ages[3]) == (None, None)
    assert 1 <= ages[2] <= ages[1] <= 60
    whole = sample["award_requests"]
    assert (whole["lag"], whole["oldest_seconds"], whole["produced_per_second"]) == (5, ages[1], 0)
    assert sample["outbox"] == {"batches": 0, "messages": 0, "claimed_batches": 0, "oldest_seconds": None}
    assert (sample["relay"]["holder"], sample["relay"]["watermark_in_kafka"]) == (None, None)


async def test_work_that_is_done_leaves_no_lag_and_shows_who_relays(
    worker: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    await publish(worker.kafka, *(award_request(tenant_id=demo.id, participant_id=f"u{n}") for n in range(20)))
    await drained(connection, 20)
    sample = await sampled(worker)
    assert (sample["award_requests"]["lag"], sample["award_requests"]["oldest_seconds"]) == (0, None)
    assert sum(committed or 0 for committed in column(sample, "committed")) == sum(column(sample, "end")) == 20
    relay = sample["relay"]
    ours = str(await connection.fetchval("SELECT host(inet_client_addr())"))
    assert (relay["holder"]["application"], relay["holder"]["address"]) == ("badges-award-worker-relay", ours)
    holders = await connection.fetch("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted")
    assert relay["holder"]["pid"] in {holder["pid"] for holder in holders}
    mirror = await connection.fetchval("SELECT emit_seq FROM relay_state")
    assert relay["watermark_in_kafka"] == relay["watermark_in_postgres"] == relay["highest_number"] == mirror > 0


async def test_rates_are_those_of_the_time_watched(worker: Installation, demo: DemoTenant) -> None:
    is_over = asyncio.Event()

    async def produce() -> None:
        while not is_over.is_set():
            await publish(worker.kafka, *(award_request(tenant_id=demo.id, participant_id=f"u{n}") for n in range(9)))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(produce())
        whole = (await sampled(worker, "--seconds", "3"))["award_requests"]
        is_over.set()
    assert whole["produced_per_second"] > 0
    assert whole["consumed_per_second"] > 0


async def test_outbox_is_measured(badges: Installation, demo: DemoTenant) -> None:
    requests = [award_request(tenant_id=demo.id, participant_id=f"u{n}") for n in range(7)]
    await publish(badges.kafka, *requests, partition=0)
    badges.faulty_worker("before_transaction").wait()
    sample = await sampled(badges)
    outbox = sample["outbox"]
    assert outbox["batches"] == outbox["claimed_batches"] >= 1
    assert 1 <= outbox["messages"] <= 7
    assert outbox["oldest_seconds"] > 0
    assert sample["relay"]["highest_number"] > sample["relay"]["watermark_in_postgres"]


async def test_open_transaction_is_told_and_its_marker_is_no_request(badges: Installation) -> None:
    async with transaction(badges.kafka, "u1", "u2"):
        sample = await sampled(badges)
        assert (column(sample, "lag")[0], column(sample, "held_by_open_transactions")[0]) == (2, 2)
        assert column(sample, "oldest_seconds")[0] is None
        assert "2 offsets behind open transactions" in (await run(badges)).out
    sample = await sampled(badges)
    assert (column(sample, "lag")[0], column(sample, "held_by_open_transactions")[0]) == (3, 0)
    assert column(sample, "oldest_seconds")[0] is not None


async def test_marker_behind_the_last_request_is_no_lag(worker: Installation) -> None:
    async with transaction(worker.kafka, "u1"):
        pass
    async with asyncio.timeout(30):
        while column(sample := await sampled(worker), "committed")[0] != 1:
            await asyncio.sleep(0.2)
    assert (column(sample, "end")[0], column(sample, "lag")[0]) == (2, 0)


async def test_requests_that_were_deleted_before_a_worker_read_them_are_told(
    badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    worker = await badges.worker().ready()
    await publish(badges.kafka, award_request(tenant_id=demo.id, participant_id="u0"), partition=2)
    await drained(connection, 1)
    worker.stop()
    await publish(
        badges.kafka, *(award_request(tenant_id=demo.id, participant_id=f"u{n}") for n in (1, 2)), partition=2
    )
    assert (await sampled(badges))["award_requests"]["lost"] == 0
    await delete_records(badges.kafka, topics_of(badges.kafka).award_requests, before={2: 3})
    sample = await sampled(badges)
    assert (column(sample, "lost"), column(sample, "lag")) == ([0, 0, 2, 0], [0] * PARTITIONS)
    assert sample["award_requests"]["lost"] == 2
    out = (await run(badges, COLUMNS="80", FORCE_COLOR="1")).out
    assert "\x1b[31m2 offsets were deleted before a worker read them" in out


async def test_oldest_request_with_a_hostile_header_is_read(badges: Installation) -> None:
    producer = AIOKafkaProducer(**badges.kafka.connection())
    await producer.start()
    try:
        batch = producer.create_batch()
        batch.append(timestamp=1000, key=None, value=b"x", headers=[("NAME", b"\xff")])
        build = batch._build
        batch._build = lambda: signed(bytes(build()).replace(b"NAME", b"\xff\xfe\xff\xfe"))
        await (await producer.send_batch(batch, topics_of(badges.kafka).award_requests, partition=3))
    finally:
        await producer.stop()
    sample = await sampled(badges)
    assert column(sample, "oldest_seconds")[3] > 1_000_000_000


async def test_table_fits_80_columns(worker: Installation, demo: DemoTenant, connection: asyncpg.Connection) -> None:
    await publish(worker.kafka, award_request(tenant_id=demo.id))
    await drained(connection, 1)
    told = await run(worker, COLUMNS="80", FORCE_COLOR="", TERM="dumb", TTY_COMPATIBLE="1")
    assert (told.code, told.err) == (0, "")
    lines = told.out.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert lines[0].split() == ["partition", "committed", "end", "lag", "in/s", "out/s", "oldest"]
    assert [line.split()[0] for line in lines[1:6]] == ["0", "1", "2", "3", "sum"]
    for name in ("outbox", "oldest", "relay", "watermark"):
        assert any(line.strip().startswith(name) for line in lines)


@pytest.mark.parametrize(
    ("away", "still_told", "error"),
    [
        ({"BADGES_KAFKA_BOOTSTRAP": NOWHERE}, "outbox", "Kafka cannot be reached"),
        ({"BADGES_DATABASE_URL": f"postgresql://u@{NOWHERE}/none"}, "award_requests", "Postgres cannot be reached"),
    ],
)
async def test_server_that_is_away_is_an_error_and_the_other_is_still_told(
    badges: Installation, away: Mapping[str, str], still_told: str, error: str
) -> None:
    began = monotonic()
    told = await run(badges, "--json", **away)
    assert monotonic() - began < 20
    assert (told.code, told.err.count("\n"), error in told.err) == (1, 1, True)
    sample = told.json
    assert [name for name in ("outbox", "award_requests") if sample[name] is not None] == [still_told]
    assert [failure["server"] for failure in sample["failures"]] == [error.split(maxsplit=1)[0]]
    told = await run(badges, **away)
    assert (told.code, error in told.err, "watermark" in told.out) == (1, True, True)


async def test_missing_topics_are_told(badges: Installation) -> None:
    told = await run(badges, BADGES_KAFKA_PREFIX="nobody_")
    assert (told.code, "a topic is missing" in told.err) == (1, True)


async def test_watched_lag_goes_on_until_interrupted(badges: Installation, demo: DemoTenant) -> None:
    process = await begin(badges, "lag", "--watch", "--json", "--seconds", "0.2")
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert json.loads(await process.stdout.readline())["award_requests"]["lag"] == 0
        await publish(badges.kafka, award_request(tenant_id=demo.id))
        while json.loads(await process.stdout.readline())["award_requests"]["lag"] != 1:
            pass
        process.send_signal(signal.SIGINT)
        told = await ended(process)
    assert (told.code, told.err) == (130, "")
