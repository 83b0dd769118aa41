"""Alembic's entry: runs the migrations over asyncpg, one run at a time."""

import asyncio
import os
import time

from alembic import context
from sqlalchemy import Connection, pool, text

from domain.errors import StorageUnavailableError
from storage.database import create_engine
from storage.tables import metadata

LOCK_TIMEOUT = "4s"
ONE_AT_A_TIME = 0x6D696772_617465  # "migrate"
TURN_SECONDS = 60
_RETRY_SECONDS = 0.1


def migrate(connection: Connection) -> None:
    """Run each migration in a transaction of its own, once no other run is at work."""
    await_turn(connection, seconds=context.config.attributes.get("turn_seconds", TURN_SECONDS))
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def await_turn(connection: Connection, *, seconds: float) -> None:
    """Take the lock of those who migrate; the session's, for a migration may commit in its midst.

    Raises:
        StorageUnavailableError: another run still has it after `seconds`.
    """
    until = time.monotonic() + seconds
    # Asked again and again: an index is built concurrently only when no older statement runs, and one that waits would.
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ONE_AT_A_TIME}):
        connection.rollback()
        if time.monotonic() > until:
            raise StorageUnavailableError(f"another migration is running (waited {seconds:g} s): try again later")
        time.sleep(_RETRY_SECONDS)
    connection.commit()


async def connect_and_migrate(database_url: str) -> None:
    """Connect for the run alone; the end of the connection gives the lock back."""
    engine = create_engine(
        database_url,
        poolclass=pool.NullPool,
        connect_args={"timeout": 5, "server_settings": {"lock_timeout": LOCK_TIMEOUT}},
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


url = context.config.attributes.get("database_url") or os.environ["BADGES_DATABASE_URL"]
asyncio.run(connect_and_migrate(url))
