"""Alembic's entry: runs the migrations over asyncpg, one run at a time."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from storage.database import asyncpg_url
from storage.tables import metadata

LOCK_TIMEOUT = "4s"
ONE_AT_A_TIME = 0x6D696772_617465  # "migrate"


def migrate(connection: Connection) -> None:
    """Run inside one transaction; another run waits here until this one has ended."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ONE_AT_A_TIME})
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        context.run_migrations()


async def connect_and_migrate(database_url: str) -> None:
    """Connect for the run alone."""
    engine = create_async_engine(asyncpg_url(database_url), poolclass=pool.NullPool, connect_args={"timeout": 5})
    try:
        async with engine.connect() as connection:
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


url = context.config.attributes.get("database_url") or os.environ["BADGES_DATABASE_URL"]
asyncio.run(connect_and_migrate(url))
