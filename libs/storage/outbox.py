"""The relay's side of Postgres: the lock, the claims and the mirror of the watermark.

All of it runs on one dedicated, direct connection that holds the lock; whoever has lost the lock
has lost the connection, and can claim nothing.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import asyncpg

from storage.errors import storage_errors
from storage.statements import OUTBOX_CHANNEL

LOCK_KEY = 0x62616467_6573  # "badges"
IDLE_SESSION_MS = 5000
STATEMENT_MS = 8000
TRANSACTION_MS = 10_000
CONNECT_SECONDS = 5
CLOSE_SECONDS = 2
COMMAND_SECONDS = 10
ROWS_PER_CLAIM = 1000
BYTES_PER_CLAIM = 8 * 1024 * 1024

_MIRROR = "SELECT emit_seq FROM relay_state"
# Both ends of the primary key: cheap, however long the outbox is.
_BACKLOG = """
    SELECT o.first, o.last, extract(epoch FROM now() - f.created_at) AS oldest_seconds
    FROM (SELECT min(id) AS first, max(id) AS last FROM outbox) AS o JOIN outbox AS f ON f.id = o.first
"""
_HIGHEST_CLAIM = "SELECT coalesce(max(emit_seq), 0) FROM outbox WHERE emit_seq IS NOT NULL"

_SETTLE = """
    WITH settled AS (DELETE FROM outbox WHERE emit_seq <= $1)
    UPDATE relay_state SET emit_seq = $1, updated_at = now()
"""

_HIGHEST_NUMBER = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM outbox_emit_seq"

# So many messages and bytes of the rows in order, or the first row alone, however large it is.
_BOUNDED = """
    SELECT id, emit_seq FROM (
        SELECT id, emit_seq, row_number() OVER in_order AS place, sum(message_count) OVER in_order AS messages,
               sum(octet_length(payload)) OVER in_order AS bytes
        FROM (SELECT * FROM outbox WHERE {which} ORDER BY {order} LIMIT {rows}) AS waiting
        WINDOW in_order AS (ORDER BY {order})
    ) AS counted
    WHERE place = 1 OR (messages <= $1 AND bytes <= {bytes})
"""

_WAITED = "extract(epoch FROM now() - o.created_at)::float8 AS waited_seconds"

_CLAIMED = f"""
    SELECT o.emit_seq, o.payload, o.message_count, {_WAITED} FROM outbox AS o JOIN (
        {_BOUNDED.format(which="emit_seq > $2", order="emit_seq", rows=ROWS_PER_CLAIM, bytes=BYTES_PER_CLAIM)}
    ) AS bounded USING (id)
"""  # noqa: S608 - constants of ours

_CLAIM = f"""
    WITH numbered AS (
        SELECT id, nextval('outbox_emit_seq') AS emit_seq FROM (
            {_BOUNDED.format(which="emit_seq IS NULL", order="id", rows=ROWS_PER_CLAIM, bytes=BYTES_PER_CLAIM)}
            ORDER BY id
        ) AS chosen
    )
    UPDATE outbox AS o SET emit_seq = n.emit_seq FROM numbered AS n WHERE o.id = n.id
    RETURNING o.emit_seq, o.payload, o.message_count, {_WAITED}
"""  # noqa: S608 - constants of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedRow:
    """One row of the outbox: the packed messages of one worker batch, and how long it had waited for its claim."""

    emit_seq: int
    payload: bytes
    message_count: int
    waited_seconds: float = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits in the outbox: worker batches (at most so many), and how long the oldest has."""

    batches: int
    oldest_seconds: float


class OutboxSession:
    """A connection that may hold the relay's lock; see `open_outbox`."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._one_at_a_time = asyncio.Lock()
        self._woken = asyncio.Event()

    async def try_lock(self) -> bool:
        """Take the lock if nobody has it; it is held until the connection ends."""
        return bool(await self._fetchval("SELECT pg_try_advisory_lock($1)", LOCK_KEY))

    async def mirror(self) -> int:
        """Return the watermark as Postgres last saw it; 0 at the first start ever."""
        return await self._fetchval(_MIRROR)

    async def highest_claim(self) -> int:
        """Return the highest `emit_seq` among the rows still there; 0 when none is claimed."""
        return await self._fetchval(_HIGHEST_CLAIM)

    async def settle(self, watermark: int) -> None:
        """Delete what is published and move the mirror, in one database transaction."""
        async with self._one_at_a_time:
            with storage_errors():
                await self._connection.execute(_SETTLE, watermark)

    async def highest_number(self) -> int:
        """Return the highest `emit_seq` ever given; 0 before the first."""
        return await self._fetchval(_HIGHEST_NUMBER)

    async def backlog(self) -> Backlog:
        """Return what waits in the outbox. Asking also tells Postgres that we are alive."""
        async with self._one_at_a_time:
            with storage_errors():
                row = await self._connection.fetchrow(_BACKLOG)
        if row is None:
            return Backlog(batches=0, oldest_seconds=0.0)
        return Backlog(batches=row["last"] - row["first"] + 1, oldest_seconds=float(row["oldest_seconds"]))

    async def claim(self, watermark: int, *, most_messages: int) -> Sequence[ClaimedRow]:
        """Return the next rows to publish, in order: first those claimed before, else new ones.

        The rows hold up to `most_messages` messages and 8 MiB together, or are a single larger row.
        """
        async with self._one_at_a_time:
            with storage_errors():
                records = await self._connection.fetch(_CLAIMED, most_messages, watermark)
                if not records:
                    records = await self._connection.fetch(_CLAIM, most_messages)
        return sorted((ClaimedRow(**record) for record in records), key=lambda row: row.emit_seq)

    async def wait_for_rows(self, seconds: float) -> None:
        """Return when a batch has been committed, or after `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self._woken.clear()

    async def listen(self) -> None:
        """Have `wait_for_rows` woken by the NOTIFY of each batch."""
        with storage_errors():
            await self._connection.add_listener(OUTBOX_CHANNEL, lambda *_notification: self._woken.set())

    async def _fetchval(self, query: str, *arguments: object) -> int:
        async with self._one_at_a_time:
            with storage_errors():
                return int(await self._connection.fetchval(query, *arguments) or 0)


@contextlib.asynccontextmanager
async def open_outbox(database_url: str, *, application: str) -> AsyncIterator[OutboxSession]:
    """Connect for the relay, directly: a transaction pooler would lose the session's lock.

    `idle_session_timeout` ends the session of a process that was stopped, and with it the lock; `transaction_timeout`
    does when it was stopped between two messages of one statement, where Postgres does not count it as idle.

    Raises:
        StorageUnavailableError: no connection within 5 s, or the session was lost.
    """
    with storage_errors():
        connection = await asyncpg.connect(
            database_url,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            server_settings={
                "application_name": application,
                "idle_session_timeout": str(IDLE_SESSION_MS),
                "idle_in_transaction_session_timeout": str(IDLE_SESSION_MS),
                "statement_timeout": str(STATEMENT_MS),
                "transaction_timeout": str(TRANSACTION_MS),
                # Who is stopped while a claim is being sent to him reads no more: nothing else would notice.
                "tcp_user_timeout": str(IDLE_SESSION_MS),
            },
        )
    try:
        yield OutboxSession(connection)
    finally:
        await _close(connection)


async def _close(connection: asyncpg.Connection) -> None:
    """End the session, by force if it does not answer or is in the middle of something."""
    try:
        await connection.close(timeout=CLOSE_SECONDS)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError):
        connection.terminate()
