"""The outbox session: the lock, the claims, the mirror."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager

import asyncpg
import pytest

import storage.outbox
from domain.errors import StorageUnavailableError
from storage.database import Database
from storage.ledger import PostgresLedger
from storage.outbox import Backlog, ClaimedRow, OutboxSession, open_outbox


def session(database_url: str) -> AbstractAsyncContextManager[OutboxSession]:
    """A session of the relay."""
    return open_outbox(database_url, application="tests-relay")


@pytest.fixture
async def outbox(database_url: str) -> AsyncIterator[OutboxSession]:
    """One session, without the lock."""
    async with session(database_url) as opened:
        yield opened


async def fill(database: Database, *counts: int) -> None:
    """One row for each batch, of so many messages; its payload is its place."""
    for number, messages in enumerate(counts):
        async with PostgresLedger(database).transaction() as transaction:
            await transaction.enqueue([b"%d" % number, *[b""] * (messages - 1)])


def payloads(rows: Sequence[ClaimedRow]) -> list[bytes]:
    """Which rows these are."""
    return [row.payload for row in rows]


async def test_rows_are_claimed_in_the_order_of_their_batches(database: Database, outbox: OutboxSession) -> None:
    await fill(database, 1, 3, 2)
    rows = await outbox.claim(0, most_messages=100)
    assert payloads(rows) == [b"0", b"1", b"2"]
    assert [row.message_count for row in rows] == [1, 3, 2]
    numbers = [row.emit_seq for row in rows]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > 0


@pytest.mark.parametrize(
    ("most", "claimed"),
    [(1, [b"0"]), (5, [b"0"]), (9, [b"0"]), (10, [b"0", b"1"]), (14, [b"0", b"1"]), (15, [b"0", b"1", b"2"])],
)
async def test_claim_is_bounded_by_messages_and_makes_progress(
    most: int, claimed: Sequence[bytes], database: Database, outbox: OutboxSession
) -> None:
    await fill(database, 5, 5, 5)
    assert payloads(await outbox.claim(0, most_messages=most)) == claimed


async def test_rows_claimed_before_come_first_and_keep_their_numbers(database: Database, outbox: OutboxSession) -> None:
    await fill(database, 5, 5, 5)
    first = await outbox.claim(0, most_messages=10)
    await fill(database, 1)
    assert await outbox.claim(0, most_messages=100) == await outbox.claim(0, most_messages=100)
    assert (await outbox.claim(0, most_messages=100))[: len(first)] == first


async def test_claim_goes_on_above_the_watermark(database: Database, outbox: OutboxSession) -> None:
    await fill(database, 1, 1, 1)
    one, two = await outbox.claim(0, most_messages=2)
    assert await outbox.claim(one.emit_seq, most_messages=10) == [two]
    (three,) = await outbox.claim(two.emit_seq, most_messages=10)
    assert three.emit_seq > two.emit_seq
    assert await outbox.claim(three.emit_seq, most_messages=10) == []


async def test_empty_outbox_gives_no_rows(outbox: OutboxSession) -> None:
    assert await outbox.claim(0, most_messages=10) == []
    assert (await outbox.highest_claim(), await outbox.mirror()) == (0, 0)
    assert await outbox.backlog() == Backlog(batches=0, oldest_seconds=0)


async def test_settling_deletes_what_is_published_and_moves_the_mirror(
    database: Database, outbox: OutboxSession, connection: asyncpg.Connection
) -> None:
    await fill(database, 2, 3, 4)
    one, two, _three = await outbox.claim(0, most_messages=100)
    await fill(database, 5)
    assert (await outbox.backlog()).batches == 4
    await outbox.settle(two.emit_seq)
    assert await outbox.mirror() == two.emit_seq
    assert (await outbox.backlog()).batches == 2
    assert await outbox.highest_claim() == two.emit_seq + 1
    rows = await connection.fetch("SELECT emit_seq FROM outbox ORDER BY id")
    assert [row["emit_seq"] for row in rows] == [two.emit_seq + 1, None]
    assert one.emit_seq < two.emit_seq


async def test_highest_number_is_what_was_last_given(database: Database, outbox: OutboxSession) -> None:
    assert await outbox.highest_number() == 0
    await fill(database, 1, 1)
    await outbox.claim(0, most_messages=2)
    assert await outbox.highest_number() == 2


async def test_claim_is_bounded_in_bytes_but_for_its_first_row(
    database_url: str, connection: asyncpg.Connection
) -> None:
    for size in (9, 3, 3, 3):
        await connection.execute(
            "INSERT INTO outbox (payload, message_count) VALUES ($1, 1)", b"x" * (size * 1024 * 1024)
        )
    async with session(database_url) as outbox:
        first = await outbox.claim(0, most_messages=100)
        assert [len(row.payload) >> 20 for row in first] == [9]
        second = await outbox.claim(first[-1].emit_seq, most_messages=100)
        assert [len(row.payload) >> 20 for row in second] == [3, 3]
        again = await outbox.claim(first[-1].emit_seq, most_messages=100)
        assert again == second


async def test_lock_is_held_by_one_session_until_it_ends(database_url: str, outbox: OutboxSession) -> None:
    async with session(database_url) as leader:
        assert await leader.try_lock()
        assert not await outbox.try_lock()
    async with asyncio.timeout(5):
        while not await outbox.try_lock():
            await asyncio.sleep(0.02)


async def test_locks_of_two_databases_do_not_meet(database_url: str, servers: object, outbox: OutboxSession) -> None:
    assert servers
    assert await outbox.try_lock()
    async with session(f"{database_url.rpartition('/')[0]}/postgres") as elsewhere:
        assert await elsewhere.try_lock()


async def test_session_that_says_nothing_is_lost_and_with_it_the_lock(
    database_url: str, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    monkeypatch.setattr(storage.outbox, "IDLE_SESSION_MS", 400)
    await fill(database, 1)
    async with session(database_url) as stopped, session(database_url) as other:
        assert await stopped.try_lock()
        for _ in range(20):
            assert (await other.backlog()).batches == 1
            await asyncio.sleep(0.05)
        assert await other.try_lock()
        with pytest.raises(StorageUnavailableError):
            await stopped.claim(0, most_messages=1)
        with pytest.raises(StorageUnavailableError):
            await stopped.settle(1)
        assert [row.message_count for row in await other.claim(0, most_messages=1)] == [1]


async def test_session_that_stops_reading_in_the_middle_of_a_claim_is_lost_too(
    database_url: str, monkeypatch: pytest.MonkeyPatch, connection: asyncpg.Connection
) -> None:
    monkeypatch.setattr(storage.outbox, "IDLE_SESSION_MS", 1000)
    monkeypatch.setattr(storage.outbox, "CLOSE_SECONDS", 0.1)
    monkeypatch.setattr(storage.outbox, "COMMAND_SECONDS", 60)  # who is stopped has no deadlines
    # More than the buffers of two sockets hold: Postgres is still sending when nobody reads any more.
    row = "7, convert_to(repeat('x', 100 << 20), 'UTF8'), 1"
    await connection.execute("INSERT INTO outbox (emit_seq, payload, message_count) SELECT " + row)
    async with session(database_url) as stopped:
        assert await stopped.try_lock()
        assert await stopped.claim(7, most_messages=1) == []  # prepares the statements
        stopped._connection._transport.pause_reading()  # as SIGSTOP would
        claiming = asyncio.create_task(stopped.claim(0, most_messages=1))
        async with asyncio.timeout(15), session(database_url) as other:
            while not await other.try_lock():
                await asyncio.sleep(0.1)
        stopped._connection._transport.resume_reading()
        with pytest.raises(StorageUnavailableError):
            await claiming


async def test_session_that_stops_between_two_messages_of_a_statement_is_lost_too(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.outbox, "TRANSACTION_MS", 1000)
    async with session(database_url) as stopped:
        assert await stopped.try_lock()
        await stopped._connection.prepare("SELECT 1")  # no Sync before it is executed: not idle, no statement
        async with asyncio.timeout(5), session(database_url) as other:
            while not await other.try_lock():
                await asyncio.sleep(0.1)
        with pytest.raises(StorageUnavailableError):
            await stopped.settle(1)


async def test_session_is_given_up_by_postgres_after_5_seconds_of_silence(
    outbox: OutboxSession, connection: asyncpg.Connection
) -> None:
    assert await outbox.mirror() == 0
    started = await outbox._connection.fetchval("SELECT current_setting('idle_session_timeout')")
    assert started == "5s"
    assert await connection.fetchval("SELECT current_setting('idle_session_timeout')") == "0"


async def test_waiting_ends_with_the_commit_of_a_batch(database: Database, outbox: OutboxSession) -> None:
    await outbox.listen()
    waiting = asyncio.create_task(outbox.wait_for_rows(20))
    await asyncio.sleep(0.05)
    async with PostgresLedger(database).transaction() as transaction:
        await transaction.enqueue([b"x"])
        await asyncio.sleep(0.1)
        assert not waiting.done()
    await asyncio.wait_for(waiting, 2)


async def test_waiting_ends_by_itself(outbox: OutboxSession) -> None:
    await outbox.listen()
    await asyncio.wait_for(outbox.wait_for_rows(0.05), 1)


async def test_ping_and_claim_at_once_share_the_connection(database: Database, outbox: OutboxSession) -> None:
    await fill(database, 1, 1)
    claiming = asyncio.create_task(outbox.claim(0, most_messages=10))
    backlogs = await asyncio.gather(*(outbox.backlog() for _ in range(10)))
    assert [backlog.batches for backlog in backlogs] == [2] * 10
    assert len(await claiming) == 2


async def test_backlog_tells_how_long_the_oldest_batch_has_waited(
    database: Database, outbox: OutboxSession, connection: asyncpg.Connection
) -> None:
    await fill(database, 1, 1)
    await connection.execute("UPDATE outbox SET created_at = now() - interval '1 hour' WHERE payload = '0'")
    assert 3600 <= (await outbox.backlog()).oldest_seconds < 3700


async def test_unreachable_postgres_is_unavailability() -> None:
    with pytest.raises(StorageUnavailableError):
        async with session("postgresql://nobody@127.0.0.1:1/none"):
            raise AssertionError("connected")
