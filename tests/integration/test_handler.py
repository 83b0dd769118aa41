"""The worker's rules on the real Postgres: batches in, awards, rejections and one outbox row out."""

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from award_worker.brake import Brake, BrakeHeldError, BrakeLimits
from award_worker.failures import with_patience
from award_worker.handler import AwardHandler, Decision, answers
from builders import NOON, award_request, raw_record
from devstack.seed import DemoTenant
from domain.awards import (
    Awarded,
    AwardRequest,
    LogPosition,
    ReceivedRequest,
    Rejected,
    RejectionReason,
    ReplyAddress,
    RequestRejectedError,
)
from domain.badges import NewBadge
from domain.errors import DataRefusedError
from messaging.announcements import KafkaAnnouncements
from messaging.outbox_payload import OutboxMessage, unpack_messages
from messaging.topics import Topics
from storage.badges import create_badge
from storage.database import Database
from storage.ledger import PostgresLedger
from storage.tenants import set_tenant_enabled

AWARDED = "badge_awarded"
DEAD = "award_requests_dlq"

_offsets = count()


@pytest.fixture
def handler(database: Database) -> AwardHandler:
    """The handler as the worker wires it, with a clock that stands still."""
    return AwardHandler(
        ledger=PostgresLedger(database), announcements=KafkaAnnouncements(Topics()), brake=brake(), clock=lambda: NOON
    )


def brake(**limits: Any) -> Brake:
    """A brake that is never on, but for the limits given."""
    return Brake(BrakeLimits(**{"consecutive": 0, "ratio": 0.0, "window": 1} | limits), monotonic)


@pytest.fixture
def live(demo: DemoTenant) -> UUID:
    """The demo tenant's live environment."""
    return UUID(demo.id)


def received(request: AwardRequest) -> ReceivedRequest:
    """A valid request at the next place of the log; somebody waits for its outcome."""
    reply_to = ReplyAddress(partition=1, request_id=request.request_id)
    record = raw_record(request=request, reply_to=reply_to, offset=next(_offsets))
    return ReceivedRequest(record=record, content=request, reply_to=reply_to)


def unreadable(detail: str = "cut") -> ReceivedRequest:
    """A record that holds no request."""
    record = raw_record(b"{", offset=next(_offsets))
    rejection = RequestRejectedError(RejectionReason.MALFORMED_JSON, detail)
    return ReceivedRequest(record=record, content=rejection, reply_to=None)


def asking(tenant_id: UUID, participant_id: str = "user_123", **changes: Any) -> ReceivedRequest:
    """A received request for power_user."""
    return received(award_request(tenant_id=tenant_id, participant_id=participant_id, **changes))


def told(decisions: Sequence[Decision]) -> list[str]:
    """Each outcome in a word."""
    return [
        decision.outcome.reason.value
        if isinstance(decision.outcome, Rejected)
        else ("already earned" if decision.outcome.already_earned else "awarded")
        for decision in decisions
    ]


async def outbox(connection: asyncpg.Connection) -> Sequence[Sequence[OutboxMessage]]:
    """The messages of each outbox row."""
    rows = await connection.fetch("SELECT payload, message_count FROM outbox ORDER BY id")
    batches = [list(unpack_messages(row["payload"])) for row in rows]
    assert [len(batch) for batch in batches] == [row["message_count"] for row in rows]
    return batches


def headers(message: OutboxMessage) -> Mapping[str, str]:
    """A message's headers as text."""
    return {name: (value or b"").decode() for name, value in message.headers}


async def test_batch_of_new_repeated_and_bad_requests_is_decided_in_order(
    handler: AwardHandler, live: UUID, connection: asyncpg.Connection
) -> None:
    first = asking(live, earned_at=NOON + timedelta(microseconds=1), metadata={"n": 1})
    batch = [
        first,
        asking(live, earned_at=NOON - timedelta(days=1)),
        unreadable(),
        asking(live, badge_code="no_such_badge"),
        asking(uuid4()),
        asking(live, "other"),
        asking(live, badge_code="first_steps"),
    ]
    decisions = await handler.handle(batch)
    assert told(decisions) == [
        "awarded",
        "already earned",
        "malformed_json",
        "badge_not_found",
        "unknown_tenant",
        "awarded",
        "awarded",
    ]
    assert [decision.received for decision in decisions] == batch
    assert isinstance(decisions[1].outcome, Awarded)
    assert decisions[1].outcome.award.earned_at == NOON + timedelta(microseconds=1)
    row = await connection.fetchrow("SELECT * FROM awards WHERE request_id = $1", first.reply_to.request_id)  # type: ignore[union-attr]  # it has one
    assert json.loads(row["metadata"]) == {"n": 1}
    assert row["source"] == "/tests"
    position = first.record.position
    assert (row["topic"], row["partition"], row["offset"]) == (position.topic, position.partition, position.offset)
    (messages,) = await outbox(connection)
    assert [message.topic for message in messages] == [AWARDED, DEAD, DEAD, DEAD, AWARDED, AWARDED]
    reasons = [headers(message)["dlq_reason"] for message in messages if message.topic == DEAD]
    assert reasons == ["malformed_json", "badge_not_found", "unknown_tenant"]


async def test_rejections_are_recorded_with_what_is_known_of_them(
    handler: AwardHandler, live: UUID, connection: asyncpg.Connection
) -> None:
    request = asking(live, "ünknown", badge_code="no_such_badge")
    bad = unreadable()
    await handler.handle([request, bad])
    rows = await connection.fetch('SELECT * FROM rejected_requests ORDER BY "offset"')
    position = request.record.position
    assert dict(rows[0]) | {"rejected_at": None} == {
        "topic": position.topic,
        "partition": position.partition,
        "offset": position.offset,
        "timestamp_ms": position.timestamp_ms,
        "reason": "badge_not_found",
        "detail": "Badge 'no_such_badge' not found",
        "tenant_id": live,
        "participant_id": "ünknown",
        "badge_code": "no_such_badge",
        "request_id": request.reply_to.request_id,  # type: ignore[union-attr]  # it has one
        "rejected_at": None,
        "redriven_at": None,
    }
    assert (rows[1]["reason"], rows[1]["tenant_id"], rows[1]["request_id"]) == ("malformed_json", None, None)


async def test_details_that_postgres_cannot_hold_are_recorded_without_the_offending_characters(
    handler: AwardHandler, connection: asyncpg.Connection
) -> None:
    await handler.handle([unreadable("cut at \0 and \ud800")])
    assert await connection.fetchval("SELECT detail FROM rejected_requests") == "cut at \ufffd and ?"


async def test_answers_go_to_those_who_wait(handler: AwardHandler, live: UUID) -> None:
    waiting = asking(live)
    decisions = await handler.handle([replace(asking(live, "other"), reply_to=None), waiting])
    (answer,) = answers(decisions)
    assert answer.reply_to == waiting.reply_to
    assert isinstance(answer.outcome, Awarded)


async def test_redelivered_batch_changes_nothing_and_is_answered_the_same(
    handler: AwardHandler, live: UUID, connection: asyncpg.Connection
) -> None:
    batch = [asking(live), asking(live), unreadable(), asking(live, badge_code="no_such_badge")]
    first = await handler.handle(batch)
    again = await handler.handle(batch)
    assert told(first) == told(again) == ["awarded", "already earned", "malformed_json", "badge_not_found"]
    assert [decision.outcome for decision in again] == [decision.outcome for decision in first]
    assert len(await outbox(connection)) == 1
    assert await connection.fetchval("SELECT count(*) FROM rejected_requests") == 2
    assert not any(decision.is_new for decision in again)


async def test_part_of_a_batch_delivered_again_with_new_requests_tells_only_of_those(
    handler: AwardHandler, live: UUID, connection: asyncpg.Connection
) -> None:
    old, bad = asking(live), unreadable()
    await handler.handle([old, bad])
    decisions = await handler.handle([bad, asking(live), asking(live, "other"), old])
    assert told(decisions) == ["malformed_json", "already earned", "awarded", "awarded"]
    _, messages = await outbox(connection)
    assert [(message.topic, headers(message)["ce_subject"]) for message in messages] == [(AWARDED, "other")]


async def test_request_published_twice_is_one_request(
    handler: AwardHandler, live: UUID, connection: asyncpg.Connection
) -> None:
    request = award_request(tenant_id=live)
    assert told(await handler.handle([received(request), received(request)])) == ["awarded", "awarded"]
    (messages,) = await outbox(connection)
    assert len(messages) == 1


async def test_rejected_request_stays_rejected_when_its_badge_is_made(
    handler: AwardHandler, live: UUID, database: Database, connection: asyncpg.Connection
) -> None:
    early = asking(live, badge_code="late")
    await handler.handle([early])
    async with database.transaction() as creating:
        await create_badge(creating, badge_id=uuid4(), tenant_id=live, badge=NewBadge(code="late", name="Late"))
    assert told(await handler.handle([early])) == ["badge_not_found"]
    assert await connection.fetchval("SELECT count(*) FROM awards") == 0
    assert told(await handler.handle([early, asking(live, badge_code="late")])) == ["badge_not_found", "awarded"]


async def test_request_that_a_newer_release_rejected_stays_rejected(
    handler: AwardHandler, live: UUID, connection: asyncpg.Connection
) -> None:
    request = asking(live, badge_code="late")
    await handler.handle([request])
    await connection.execute("UPDATE rejected_requests SET reason = 'of_the_next_release', detail = 'because'")
    (decision,) = await handler.handle([request])
    assert decision.outcome == Rejected(reason=RejectionReason.SCHEMA_VIOLATION, detail="because")
    assert decision.is_new is False
    assert len(await outbox(connection)) == 1


async def test_record_of_a_topic_made_anew_is_not_taken_for_the_old_one(handler: AwardHandler, live: UUID) -> None:
    rejected = asking(live, badge_code="no_such_badge")
    await handler.handle([rejected])
    position = replace(rejected.record.position, timestamp_ms=rejected.record.position.timestamp_ms + 1)
    good = asking(live)
    decisions = await handler.handle([replace(good, record=replace(good.record, position=position))])
    assert told(decisions) == ["awarded"]


async def test_awarded_request_keeps_its_award_when_the_badge_is_deactivated(
    handler: AwardHandler, live: UUID, connection: asyncpg.Connection
) -> None:
    request = asking(live)
    await handler.handle([request])
    await connection.execute("UPDATE badges SET is_active = false WHERE code = 'power_user'")
    assert told(await handler.handle([request, asking(live)])) == ["awarded", "badge_not_found"]


async def test_awarded_request_keeps_its_award_when_the_tenant_is_disabled(
    handler: AwardHandler, live: UUID, database: Database
) -> None:
    request = asking(live)
    await handler.handle([request])
    async with database.transaction() as disabling:
        await set_tenant_enabled(disabling, tenant_id=live, is_enabled=False)
    assert told(await handler.handle([request, asking(live), asking(live, "other")])) == [
        "awarded",
        "tenant_disabled",
        "tenant_disabled",
    ]


async def test_inactive_badge_is_not_awarded(handler: AwardHandler, live: UUID, connection: asyncpg.Connection) -> None:
    await connection.execute("UPDATE badges SET is_active = false WHERE code = 'power_user'")
    decisions = await handler.handle([asking(live)])
    assert told(decisions) == ["badge_not_found"]
    assert await connection.fetchval("SELECT count(*) FROM awards") == 0


async def test_badge_code_is_looked_up_in_the_tenant_of_the_request(
    handler: AwardHandler, demo: DemoTenant, live: UUID, database: Database
) -> None:
    async with database.transaction() as creating:
        only_test = NewBadge(code="only_test", name="Only test")
        await create_badge(creating, badge_id=uuid4(), tenant_id=UUID(demo.test_id), badge=only_test)
    batch = [asking(live, badge_code="only_test"), asking(UUID(demo.test_id), badge_code="only_test")]
    assert told(await handler.handle(batch)) == ["badge_not_found", "awarded"]


async def test_empty_batch_and_batch_of_repeats_leave_no_outbox_row(
    handler: AwardHandler, live: UUID, connection: asyncpg.Connection
) -> None:
    assert await handler.handle([]) == []
    await handler.handle([asking(live)])
    await handler.handle([asking(live), asking(live)])
    assert len(await outbox(connection)) == 1


async def test_batch_wakes_the_relay_once(handler: AwardHandler, live: UUID, connection: asyncpg.Connection) -> None:
    woken: list[str] = []
    await connection.add_listener("badges_outbox", lambda *arguments: woken.append(str(arguments[2])))
    await handler.handle([asking(live, f"user_{number}") for number in range(20)])
    await asyncio.sleep(0.2)
    assert woken == ["badges_outbox"]


@pytest.mark.parametrize("guilty", [[0], [6], [3, 4], [0, 1, 2, 3, 4, 5, 6]])
async def test_what_postgres_refuses_is_rejected_alone(
    guilty: Sequence[int], handler: AwardHandler, live: UUID, connection: asyncpg.Connection
) -> None:
    batch = [asking(live, "x" * 256 if number in guilty else f"user_{number}") for number in range(7)]
    decisions = await handler.handle(batch)
    assert told(decisions) == ["schema_violation" if number in guilty else "awarded" for number in range(7)]
    assert await connection.fetchval("SELECT count(*) FROM awards") == 7 - len(guilty)
    (messages,) = await outbox(connection)
    assert sorted(message.topic for message in messages) == sorted(
        DEAD if number in guilty else AWARDED for number in range(7)
    )
    again = await handler.handle(batch)
    assert told(again) == told(decisions)
    assert len(await outbox(connection)) == 1


async def test_halving_keeps_the_order_of_requests_for_one_award(handler: AwardHandler, live: UUID) -> None:
    batch = [asking(live), asking(live, "x" * 256), asking(live), asking(live, badge_code="no_such_badge")]
    assert told(await handler.handle(batch)) == ["awarded", "schema_violation", "already earned", "badge_not_found"]


async def test_what_postgres_refuses_altogether_leaves_nothing(
    handler: AwardHandler, live: UUID, connection: asyncpg.Connection
) -> None:
    await connection.execute("ALTER TABLE outbox ADD CONSTRAINT ck_outbox_full CHECK (false)")
    with pytest.raises(DataRefusedError):
        await handler.handle([asking(live)])
    assert await connection.fetchval("SELECT count(*) FROM awards") == 0


async def test_batches_in_opposite_order_that_meet_do_not_deadlock(
    handler: AwardHandler, live: UUID, connection: asyncpg.Connection
) -> None:
    """Both are held up in the middle; unsorted, each would by then have what the other wants."""
    participants = [f"user_{number:02}" for number in range(31)]
    batch = [asking(live, participant) for participant in participants]
    opposite = [asking(live, participant) for participant in reversed(participants)]
    held = connection.transaction()
    await held.start()
    await _award(connection, batch[15])
    deciding = [asyncio.create_task(handler.handle(each)) for each in (batch, opposite)]
    await asyncio.sleep(0.3)
    assert not any(task.done() for task in deciding)
    await held.rollback()
    one, two = await asyncio.gather(*deciding)
    assert sorted(told(one)[0:1] + told(two)[0:1]) == ["already earned", "awarded"]
    assert await connection.fetchval("SELECT count(*) FROM awards") == 31


async def test_many_overlapping_batches_at_once_award_each_badge_once(
    handler: AwardHandler, live: UUID, connection: asyncpg.Connection
) -> None:
    shuffled = random.Random(7)  # noqa: S311 - an order, no secret
    for number in range(10):
        participants = [f"{number}-{n}" for n in range(100)]
        one = [asking(live, participant) for participant in participants]
        two = [asking(live, participant) for participant in reversed(participants)]
        three = [asking(live, participant, badge_code="first_steps") for participant in participants]
        shuffled.shuffle(three)
        await asyncio.gather(*(handler.handle(batch) for batch in (one, [*two, *three[:50]], [*three, *one[:20]])))
    assert await connection.fetchval("SELECT count(*) FROM awards") == 10 * 200
    events = [message for batch in await outbox(connection) for message in batch]
    assert len({headers(event)["ce_id"] for event in events}) == len(events) == 10 * 200


@pytest.mark.parametrize("table", ["awards", "rejected_requests"])
async def test_one_batch_at_two_workers_at_once_is_told_of_once(
    table: str, handler: AwardHandler, live: UUID, connection: asyncpg.Connection
) -> None:
    """After a rebalance both may have it: both have looked, and neither has written."""
    batch = [asking(live), unreadable(), asking(live, badge_code="no_such_badge")]
    async with connection.transaction():
        await connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
        deciding = [asyncio.create_task(handler.handle(batch)) for _ in range(2)]
        await asyncio.sleep(0.3)
        assert not any(task.done() for task in deciding)
    for decisions in await asyncio.gather(*deciding):
        assert told(decisions) == ["awarded", "malformed_json", "badge_not_found"]
    (messages,) = await outbox(connection)
    assert sorted(message.topic for message in messages) == [DEAD, DEAD, AWARDED]


async def test_deactivation_waits_for_the_awards_under_way(
    handler: AwardHandler, live: UUID, database: Database, connection: asyncpg.Connection
) -> None:
    async with PostgresLedger(database).transaction() as transaction:
        assert await transaction.find_definitions([(live, "power_user")])
        deactivating = asyncio.create_task(
            connection.execute("UPDATE badges SET is_active = false WHERE code = 'power_user'")
        )
        await asyncio.sleep(0.2)
        assert not deactivating.done()
        assert told(await handler.handle([asking(live)])) == ["awarded"]
    await deactivating
    assert told(await handler.handle([asking(live, "other")])) == ["badge_not_found"]


async def test_award_that_waits_for_a_deactivation_sees_it(
    handler: AwardHandler, live: UUID, connection: asyncpg.Connection
) -> None:
    async with connection.transaction():
        await connection.execute("UPDATE badges SET is_active = false WHERE code = 'power_user'")
        deciding = asyncio.create_task(handler.handle([asking(live)]))
        await asyncio.sleep(0.2)
        assert not deciding.done()
    assert told(await deciding) == ["badge_not_found"]


async def test_deadlocked_batch_succeeds_with_patience(
    handler: AwardHandler, live: UUID, connection: asyncpg.Connection
) -> None:
    """Whoever else locks rows in another order costs a retry, and loses nothing."""
    early, late = asking(live, "a"), asking(live, "b")
    retries: list[BaseException] = []
    await connection.execute("SET deadlock_timeout = '30s'")  # Postgres picks the worker, not us
    async with connection.transaction():
        await _award(connection, late)
        deciding = asyncio.create_task(with_patience(lambda: handler.handle([early, late]), on_retry=retries.append))
        await asyncio.sleep(0.3)
        await _award(connection, early)
    assert told(await deciding) == ["already earned", "already earned"]
    assert len(retries) >= 1


async def _award(connection: asyncpg.Connection, asked: ReceivedRequest) -> None:
    """Insert an award as another program might."""
    await connection.execute(
        "INSERT INTO awards (tenant_id, participant_id, badge_id, earned_at, request_id, source)"
        " SELECT tenant_id, $1, id, now(), 'another', '' FROM badges WHERE code = 'power_user' AND tenant_id = $2",
        asked.content.participant_id,  # type: ignore[union-attr]  # a request
        asked.content.tenant_id,  # type: ignore[union-attr]  # a request
    )


async def test_position_is_topic_partition_offset_and_time(handler: AwardHandler, live: UUID) -> None:
    place = LogPosition(topic="award_requests", partition=3, offset=10_000_000_000, timestamp_ms=-1)
    bad = unreadable()
    bad = replace(bad, record=replace(bad.record, position=place))
    other = replace(bad, record=replace(bad.record, position=replace(place, partition=4)))
    assert told(await handler.handle([bad, other])) == ["malformed_json"] * 2
    assert not any(decision.is_new for decision in await handler.handle([other, bad]))
    assert told(await handler.handle([asking(live)])) == ["awarded"]


async def test_batch_that_the_brake_holds_leaves_no_trace(
    database: Database, live: UUID, connection: asyncpg.Connection
) -> None:
    stopping = brake(consecutive=2, ratio=0.8, window=100)
    handler = AwardHandler(
        ledger=PostgresLedger(database), announcements=KafkaAnnouncements(Topics()), brake=stopping, clock=lambda: NOON
    )
    wrong = [asking(live, f"user_{number}", badge_code="of_tomorrow") for number in range(5)]
    assert told(await handler.handle(wrong[:2])) == ["badge_not_found"] * 2
    with pytest.raises(BrakeHeldError):
        await handler.handle([*wrong[2:], unreadable(), unreadable(), asking(live)])
    assert await connection.fetchval("SELECT count(*) FROM rejected_requests") == 2
    assert await connection.fetchval("SELECT count(*) FROM awards") == 0
    assert len(await outbox(connection)) == 1
    with pytest.raises(BrakeHeldError):  # what was rejected before tells nothing of today
        await handler.handle([*wrong[:2], wrong[2]])
    assert told(await handler.handle([wrong[2], asking(live)])) == ["badge_not_found", "awarded"]
    assert not stopping.is_on
