"""The pool: what a connection does when its use goes wrong."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import make_url, text

import storage.database
from domain.errors import StorageUnavailableError
from storage.database import Database

TRANSACTION = text("SELECT pg_current_xact_id()::text")
TOUCH = text("UPDATE relay_state SET updated_at = '-infinity'")


async def test_what_is_written_while_reading_is_rolled_back(database: Database, connection: asyncpg.Connection) -> None:
    async with database.reading() as reading:
        await reading.execute(TOUCH)
    assert await connection.fetchval("SELECT isfinite(updated_at) FROM relay_state")


async def test_connection_that_was_lent_without_a_transaction_has_one_the_next_time(
    database_url: str, connection: asyncpg.Connection
) -> None:
    database = Database(database_url, application="tests", pool_size=1)
    for _ in range(2):
        async with database.querying() as querying:
            assert await querying.scalar(TRANSACTION) != await querying.scalar(TRANSACTION)
        async with database.reading() as reading:
            assert await reading.scalar(TRANSACTION) == await reading.scalar(TRANSACTION)
            await reading.execute(TOUCH)
    assert await connection.fetchval("SELECT isfinite(updated_at) FROM relay_state")
    await database.close()


async def test_closed_port_is_unavailability() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none", application="tests")
    with pytest.raises(StorageUnavailableError):
        async with database.reading():
            pass
    with pytest.raises(StorageUnavailableError):
        await database.fetch("SELECT 1")
    await database.close()


async def test_postgres_that_lets_nobody_in_is_unavailability(
    database_url: str, connection: asyncpg.Connection
) -> None:
    role = f"crowded_{uuid4().hex}"  # roles are the whole server's
    await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x' CONNECTION LIMIT 0")
    try:
        address = make_url(database_url).set(username=role, password="x")  # noqa: S106 - of this test alone
        database = Database(address.render_as_string(hide_password=False), application="tests")
        with pytest.raises(StorageUnavailableError):
            await database.fetch("SELECT 1")
        with pytest.raises(StorageUnavailableError):
            async with database.driver_transaction():
                pass
        await database.close()
    finally:
        await connection.execute(f"DROP ROLE {role}")


async def test_lost_connection_is_unavailability_and_the_next_use_works(
    database: Database, connection: asyncpg.Connection
) -> None:
    async def lose() -> None:
        async with database.reading() as reading:
            await reading.execute(TOUCH)
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tests'"
            )
            await reading.execute(TOUCH)

    with pytest.raises(StorageUnavailableError):
        await lose()
    async with database.reading() as reading:
        await reading.execute(TOUCH)


async def test_fetch_that_loses_its_connection_is_unavailability_and_the_next_one_works(database_url: str) -> None:
    database = Database(database_url, application="tests", pool_size=1)
    with pytest.raises(StorageUnavailableError):
        await database.fetch("SELECT pg_terminate_backend(pg_backend_pid())")
    assert [row["n"] for row in await database.fetch("SELECT $1::int AS n", 3)] == [3]
    await database.close()


async def test_fetch_that_is_given_up_holds_nobody_up_and_ends_in_postgres_too(
    database_url: str, connection: asyncpg.Connection
) -> None:
    database = Database(database_url, application="tests", pool_size=1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await database.fetch("SELECT pg_sleep(20)")
    async with asyncio.timeout(5):
        assert len(await database.fetch("SELECT 1")) == 1
        while await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tests' AND query LIKE '%pg_sleep%'"
        ):
            await asyncio.sleep(0.05)
    assert database.connections_in_use == 0
    await database.close()


async def test_connection_that_postgres_has_closed_is_not_lent_again(
    database_url: str, connection: asyncpg.Connection
) -> None:
    database = Database(database_url, application="tests", pool_size=1)
    await database.fetch("SELECT 1")
    await connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'tests'"
    )
    await asyncio.sleep(0.2)  # until the loop has seen it
    assert len(await database.fetch("SELECT 1")) == 1
    await database.close()


async def test_locks_of_a_process_that_stops_between_two_messages_of_a_statement_are_freed(
    database_url: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.database, "TRANSACTION_MS", 1000)
    database = Database(database_url, application="tests")

    async def stop() -> None:
        async with database.transaction() as stopped:
            await stopped.execute(TOUCH)
            bare = (await stopped.get_raw_connection()).driver_connection
            assert bare is not None
            await bare.prepare("SELECT 1")  # no Sync before it is executed: neither idle nor a statement
            async with asyncio.timeout(5):
                await connection.execute("UPDATE relay_state SET updated_at = now()")

    with pytest.raises(StorageUnavailableError):
        await stop()
    await database.close()


@pytest.mark.parametrize(("statement_seconds", "limit"), [(None, "1min"), (600, "0")])
async def test_survey_may_take_longer_than_a_transaction_of_a_service(
    database_url: str, statement_seconds: float | None, limit: str
) -> None:
    database = Database(database_url, application="tests", statement_seconds=statement_seconds)
    async with database.reading() as reading:
        assert await reading.scalar(text("SELECT current_setting('transaction_timeout')")) == limit
    await database.close()


async def test_unusable_url_is_said_at_once() -> None:
    with pytest.raises(ValueError, match="postgresql://"):
        Database("sqlite:///x", application="tests")


async def test_callers_get_connections_in_turn(database_url: str) -> None:
    database = Database(database_url, application="tests", pool_size=3)
    async with database.querying(), database.querying(), database.querying():
        asked, served = list[int](), list[int]()  # connected: who waits now waits for his turn alone

    async def call(number: int) -> None:
        for _ in range(20):
            asked.append(number)
            async with database.querying() as connection:
                served.append(number)
                await connection.execute(text("SELECT 1"))

    await asyncio.gather(*(call(number) for number in range(10)))
    await database.close()
    assert served == asked
