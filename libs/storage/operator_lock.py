"""Locks of operators' commands that must not run twice at once."""

import contextlib
from collections.abc import AsyncIterator

import asyncpg

from storage.errors import storage_errors

CONNECT_SECONDS = 5
REDRIVE_LOCK_KEY = 0x7265_6472_6976_65  # "redrive"


@contextlib.asynccontextmanager
async def try_lock(database_url: str, key: int, *, application: str) -> AsyncIterator[bool]:
    """Take the lock on a connection of its own and hold it while the context lasts; lend False when somebody has it.

    Raises:
        StorageUnavailableError: no connection within 5 s.
    """
    with storage_errors():
        connection = await asyncpg.connect(
            database_url, timeout=CONNECT_SECONDS, server_settings={"application_name": application}
        )
    try:
        with storage_errors():
            is_held = bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", key))
        yield is_held
    finally:
        connection.terminate()  # the lock goes with it, whatever state it is in
