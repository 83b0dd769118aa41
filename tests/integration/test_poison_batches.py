"""Each bad record alone, first, last and between good ones in a batch: its neighbours are awarded all the same."""

from collections.abc import Sequence
from time import monotonic
from uuid import UUID

import asyncpg
import pytest

from award_worker.brake import Brake, BrakeLimits
from award_worker.handler import AwardHandler
from builders import NOON, award_request, raw_record
from devstack.seed import DemoTenant
from domain.awards import LogPosition, RawRecord, ReceivedRequest
from messaging.announcements import KafkaAnnouncements
from messaging.award_requested import decode_request
from messaging.outbox_payload import OutboxMessage, unpack_messages
from messaging.topics import Topics
from poison import Poison, poison
from storage.database import Database
from storage.ledger import PostgresLedger

TOPICS = Topics()
BATCHES = {"alone": "b", "first": "bg", "last": "gb", "between": "gbg", "on both ends": "bgb", "twice in a row": "bb"}


def record(bad: Poison, offset: int) -> RawRecord:
    """The bad record at a place of the log."""
    position = LogPosition(topic=TOPICS.award_requests, partition=0, offset=offset, timestamp_ms=0)
    return RawRecord(position=position, key=bad.key, value=bad.value, headers=tuple(bad.headers))


def batch(bad: Poison, kinds: str, tenant_id: UUID, first: int) -> Sequence[ReceivedRequest]:
    """A batch from offset `first` on, a letter a record: `b` is the bad one, `g` asks for somebody of its own."""
    goods = [award_request(tenant_id=tenant_id, participant_id=f"good-{first + n}") for n in range(len(kinds))]
    records = [
        record(bad, first + n) if kind == "b" else raw_record(request=goods[n], offset=first + n)
        for n, kind in enumerate(kinds)
    ]
    return [decode_request(each, now=NOON) for each in records]


def check_letter(letter: OutboxMessage, bad: Poison) -> None:
    """A dead letter is the bad record as it came, with its reason."""
    assert (letter.key, letter.value) == (bad.key, bad.value), bad.name
    assert [*letter.headers[: len(bad.headers)]] == [*bad.headers], bad.name
    assert dict(letter.headers)["dlq_reason"] == bad.reason.value.encode(), bad.name


@pytest.mark.parametrize("kinds", BATCHES.values(), ids=BATCHES)
async def test_bad_record_harms_no_neighbour_wherever_it_stands(
    kinds: str, database: Database, demo: DemoTenant, connection: asyncpg.Connection
) -> None:
    bads = poison(demo.id)
    handler = AwardHandler(
        ledger=PostgresLedger(database),
        announcements=KafkaAnnouncements(TOPICS),
        brake=Brake(BrakeLimits(consecutive=0, ratio=0, window=1), monotonic),
        clock=lambda: NOON,
    )
    for number, bad in enumerate(bads):
        await handler.handle(batch(bad, kinds, UUID(demo.id), number * len(kinds)))
    payloads = await connection.fetch("SELECT payload FROM outbox ORDER BY id")
    for bad, row in zip(bads, payloads, strict=True):
        messages = list(unpack_messages(row["payload"]))
        letters = [message for message in messages if message.topic == TOPICS.award_requests_dlq]
        assert (len(letters), len(messages) - len(letters)) == (kinds.count("b"), kinds.count("g")), bad.name
        for letter in letters:
            check_letter(letter, bad)
    rows = await connection.fetch('SELECT reason FROM rejected_requests ORDER BY "offset"')
    assert [row["reason"] for row in rows] == [bad.reason for bad in bads for _ in range(kinds.count("b"))]
    assert await connection.fetchval("SELECT count(*) FROM awards") == len(bads) * kinds.count("g")
