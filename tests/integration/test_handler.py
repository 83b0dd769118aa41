"""The worker's rules on the real Postgres: batches in, awards, rejections and one outbox row out."""

import asyncio
import json
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from award_worker.brake import BrakeHeldError
from award_worker.handler import AwardHandler, answers
from builders import NOON, award_request
from devstack.seed import DemoTenant
from domain.awards import (
    Awarded,
    LogPosition,
    Rejected,
    RejectionReason,
)
from domain.badges import NewBadge
from messaging.announcements import KafkaAnnouncements
from messaging.topics import Topics
from received_requests import AWARDED, DEAD, asking, brake, headers, outbox, received, told, unreadable
from storage.badges import create_badge
from storage.database import Database
from storage.ledger import PostgresLedger
from storage.tenants import set_tenant_enabled


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
    decisions = await handler.handle([asking(live, "other")._replace(reply_to=None), waiting])
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
    position = rejected.record.position._replace(timestamp_ms=rejected.record.position.timestamp_ms + 1)
    good = asking(live)
    decisions = await handler.handle([good._replace(record=good.record._replace(position=position))])
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


async def test_position_is_topic_partition_offset_and_time(handler: AwardHandler, live: UUID) -> None:
    place = LogPosition(topic="award_requests", partition=3, offset=10_000_000_000, timestamp_ms=-1)
    bad = unreadable()
    bad = bad._replace(record=bad.record._replace(position=place))
    other = bad._replace(record=bad.record._replace(position=place._replace(partition=4)))
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
