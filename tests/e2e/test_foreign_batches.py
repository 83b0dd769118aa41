"""Batches as producers of other kinds write them: compressed, in transactions, and far larger than they look."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import MessageSizeTooLargeError

from builders import award_request
from devstack.seed import DemoTenant
from messaging.announcements import CUT_BYTES, LARGEST_DEAD_LETTER
from messaging.award_requested import encode_request
from messaging.settings import KafkaSettings
from messaging.topics import MEBIBYTE, create_topics, topics_of
from observers import header, read_topic
from poison import BINARY
from processes import Installation
from servers import TestServers

OURS, THEIRS = "topic of ours", "topic of somebody else's"
PARTITIONS = 4
CODECS = ("gzip", "snappy", "lz4", "zstd")
BAD = b'{"cut": '


_numbers = count(1)


@pytest.fixture
async def kafka(servers: TestServers, request: pytest.FixtureRequest) -> AsyncIterator[KafkaSettings]:
    """Topics of the test's own. Somebody else's keeps batches as they come, and judges their compressed size."""
    settings = KafkaSettings(bootstrap=servers.kafka_bootstrap, prefix=f"{servers.names}foreign{next(_numbers)}_")
    admin = AIOKafkaAdminClient(**settings.connection())
    await admin.start()
    try:
        if getattr(request, "param", OURS) == THEIRS:
            requests = NewTopic(
                topics_of(settings).award_requests, PARTITIONS, 1, topic_configs={"compression.type": "producer"}
            )
            await admin.create_topics([requests])
        await create_topics(settings, partitions=PARTITIONS)
        yield settings
        await admin.delete_topics([name for name in await admin.list_topics() if name.startswith(settings.prefix)])
    finally:
        await admin.close()


@asynccontextmanager
async def producing(kafka: KafkaSettings, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    """A producer of somebody else's."""
    producer = AIOKafkaProducer(**kafka.connection(), acks="all", max_request_size=16 * MEBIBYTE, **options)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def ask(producer: AIOKafkaProducer, kafka: KafkaSettings, demo: DemoTenant, *participants: str) -> None:
    """Ask for an award of each participant, in one batch if the producer waits for more."""
    sent = []
    for participant in participants:
        key, value, headers = encode_request(award_request(tenant_id=demo.id, participant_id=participant))
        sent.append(await producer.send(topics_of(kafka).award_requests, value, key=key, headers=headers, partition=0))
    for acknowledged in sent:
        await acknowledged


async def put(producer: AIOKafkaProducer, kafka: KafkaSettings, value: bytes) -> None:
    """Publish a value among good headers."""
    topic = topics_of(kafka).award_requests
    await producer.send_and_wait(topic, value, key=b"some key", headers=list(BINARY), partition=0)


async def subjects(kafka: KafkaSettings, expected: int) -> Sequence[str]:
    """Who was awarded, as consumers hear of it."""
    events = await read_topic(kafka, topics_of(kafka).badge_awarded, at_least=expected, settle=0.5)
    return sorted(header(event, "ce_subject") or "" for event in events)


async def letters(kafka: KafkaSettings, expected: int) -> Sequence[ConsumerRecord]:
    """The dead letters, by where their request was."""
    found = await read_topic(kafka, topics_of(kafka).award_requests_dlq, at_least=expected, settle=0.5)
    return sorted(found, key=lambda letter: int(header(letter, "dlq_offset") or -1))


@pytest.mark.parametrize("kafka", [OURS, THEIRS], indirect=True)
async def test_every_compression_is_read(
    badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    """aiokafka by itself reads gzip alone; FastStream then waits for ever, looking healthy."""
    for codec in CODECS:
        async with producing(badges.kafka, compression_type=codec, linger_ms=50) as producer:
            await ask(producer, badges.kafka, demo, f"{codec}-1", f"{codec}-2")
            await put(producer, badges.kafka, BAD)
    await badges.worker().ready()
    assert await subjects(badges.kafka, 8) == sorted(f"{codec}-{number}" for codec in CODECS for number in (1, 2))
    assert [(letter.value, header(letter, "dlq_reason")) for letter in await letters(badges.kafka, 4)] == [
        (BAD, "malformed_json")
    ] * 4
    assert await connection.fetchval("SELECT count(*) FROM rejected_requests") == 4


async def test_what_a_transaction_aborts_is_neither_awarded_nor_dead_lettered(
    worker: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    """The markers that end transactions take offsets, and are no requests."""
    kafka = worker.kafka
    async with producing(kafka, transactional_id=f"{kafka.prefix}upstream") as producer:
        for number in range(3):
            async with producer.transaction():
                await ask(producer, kafka, demo, f"committed-{number}")
                await put(producer, kafka, BAD)
            await producer.begin_transaction()
            await ask(producer, kafka, demo, f"aborted-{number}")
            await put(producer, kafka, BAD)
            await producer.abort_transaction()
    async with producing(kafka) as producer:
        await ask(producer, kafka, demo, "afterwards")
    expected = ["afterwards", *(f"committed-{number}" for number in range(3))]
    assert await subjects(kafka, 4) == expected
    assert [int(header(letter, "dlq_offset") or -1) for letter in await letters(kafka, 3)] == [1, 7, 13]
    assert await connection.fetchval("SELECT count(*) FROM rejected_requests") == 3
    rows = await connection.fetch("SELECT participant_id FROM awards ORDER BY participant_id")
    assert [row["participant_id"] for row in rows] == expected


@pytest.mark.parametrize("kafka", [THEIRS], indirect=True)
async def test_few_bytes_that_stand_for_many_become_one_dead_letter_and_hold_nobody_up(
    badges: Installation, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    kafka = badges.kafka
    whole, cut = b"0" * (2 * MEBIBYTE), b"0" * (5 * MEBIBYTE)
    assert len(whole) < LARGEST_DEAD_LETTER < len(cut)
    async with producing(kafka, compression_type="gzip") as producer:
        await ask(producer, kafka, demo, "before")
        await put(producer, kafka, cut)
        await put(producer, kafka, whole)
        await ask(producer, kafka, demo, "behind")
    await badges.worker().ready()
    assert await subjects(kafka, 2) == ["before", "behind"]
    first, second = await letters(kafka, 2)
    assert [header(letter, "dlq_reason") for letter in (first, second)] == ["too_large"] * 2
    assert (first.key, first.value) == (b"some key", cut[:CUT_BYTES])
    size = len(cut) + len(b"some key") + sum(len(name) + len(value or b"") for name, value in BINARY)
    assert header(first, "dlq_cut_from") == str(size)
    assert header(first, "ce_type") is None
    assert (second.value, header(second, "dlq_cut_from")) == (whole, None)
    assert await connection.fetchval("SELECT count(*) FROM rejected_requests") == 2
    async with producing(kafka) as producer:
        await ask(producer, kafka, demo, "later")
    assert await subjects(kafka, 3) == ["before", "behind", "later"]


async def test_topic_of_ours_does_not_let_such_records_in(kafka: KafkaSettings) -> None:
    async with producing(kafka, compression_type="gzip") as producer:
        with pytest.raises(MessageSizeTooLargeError):
            await put(producer, kafka, b"0" * (2 * MEBIBYTE))
