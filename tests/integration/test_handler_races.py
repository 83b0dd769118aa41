"""Batches that meet each other, a deactivation, or another program, in Postgres."""

import asyncio
import random
from uuid import UUID

import asyncpg
import pytest

from award_worker.failures import with_patience
from award_worker.handler import AwardHandler
from domain.awards import ReceivedRequest
from received_requests import AWARDED, DEAD, asking, headers, outbox, told, unreadable
from storage.database import Database
from storage.ledger import PostgresLedger


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
