"""Connections to Postgres: a pool, whose every wait has a deadline."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias, cast

from asyncpg import Record
from sqlalchemy import PoolProxiedConnection, QueuePool, event, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.util import greenlet_spawn

from storage.errors import storage_errors

CONNECT_SECONDS = 5
COMMAND_SECONDS = 30
POOL_SECONDS = 5
CLOSE_SECONDS = 2
STATEMENT_MS = 10_000
IDLE_IN_TRANSACTION_MS = 10_000

TRANSACTION_MS = 60_000
"""Frees the locks of a process that was stopped between two messages of one statement: to Postgres it is not idle."""

# A named statement is prepared on one connection to Postgres and might be run on another. One without a name is
# prepared and run before a pooler gets the connection back.
_UNNAMED: Mapping[str, Any] = {
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": lambda: "",
}

Connection: TypeAlias = AsyncConnection
"""What queries run on; whoever opened it decides when to commit."""

Rows: TypeAlias = Sequence[Record]
Driver: TypeAlias = Any
"""asyncpg's connection, which is not typed."""

Fetch: TypeAlias = Callable[..., Awaitable[Rows]]
"""`Database.fetch`: takes a statement and its parameters, returns its rows."""


class Database:
    """A pool of connections. Driver errors leave it as `domain.errors.StorageError`."""

    def __init__(
        self,
        database_url: str,
        *,
        application: str,
        pool_size: int = 5,
        command_seconds: float = COMMAND_SECONDS,
        statement_seconds: float | None = None,
        is_pooled: bool = False,
    ) -> None:
        """Nothing connects yet. `application` is the name that Postgres shows for us.

        `command_seconds` holds even when the server hangs; Postgres's own limits do not. `statement_seconds` is for
        surveys that nobody else waits for: a statement of theirs may take so long, instead of 10 s. `is_pooled`: a
        transaction pooler stands before Postgres.
        """
        limits = {} if is_pooled else _limits(statement_seconds)
        pool_seconds = min(POOL_SECONDS, command_seconds)
        self._engine = create_engine(
            database_url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=pool_seconds,
            pool_recycle=1800,
            hide_parameters=True,  # a failed statement is logged: its parameters are participants and metadata
            connect_args={
                "timeout": min(CONNECT_SECONDS, command_seconds),
                "command_timeout": command_seconds + (statement_seconds or 0),
                "server_settings": {"application_name": application, **limits},
                **(_UNNAMED if is_pooled else {}),
            },
        )
        event.listen(self._engine.sync_engine, "checkout", _refuse_closed)
        self._without_transactions = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self.most_connections = pool_size
        self._turns = _Turns(pool_size, pool_seconds)

    @property
    def connections_in_use(self) -> int:
        """How many connections are lent out now, of `most_connections`."""
        return cast(QueuePool, self._engine.pool).checkedout()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """Lend a connection for reads; whatever was written on it is rolled back."""
        with storage_errors():
            async with self._turns, self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def querying(self) -> AsyncIterator[Connection]:
        """Lend a connection for a read of one statement: without BEGIN and ROLLBACK it is one round trip, not three."""
        with storage_errors():
            async with self._turns, self._without_transactions.connect() as connection:
                yield connection

    async def fetch(self, query: str, *parameters: object) -> Rows:
        """Return the rows of a read of one statement, whose parameters are `$1`, `$2` and so on.

        As `querying`, but straight from the driver, which takes less than a third of the processor time.
        """
        async with self._driver() as driver:
            rows: Rows = await driver.fetch(query, *parameters)
            return rows

    @asynccontextmanager
    async def driver_transaction(self) -> AsyncIterator[Driver]:
        """As `transaction`, but lends the driver's own connection; after a failure it is closed."""
        async with self._driver() as driver:
            transaction = driver.transaction()
            await transaction.start()
            yield driver
            await transaction.commit()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection; commit when the context ends in peace, else roll back."""
        with storage_errors():
            async with self._turns, self._engine.begin() as connection:
                yield connection

    @asynccontextmanager
    async def _driver(self) -> AsyncIterator[Driver]:
        with storage_errors():
            async with self._turns:
                lent = await self._engine.raw_connection()
                try:
                    yield _driver_of(lent)
                except BaseException:
                    # Closes it, within 2 s: Postgres ends what runs on it, and rolls back.
                    await greenlet_spawn(lent.invalidate)
                    raise
                lent.close()

    async def close(self) -> None:
        """Close every connection. Where Postgres hangs they are left to the end of the process, after 2 s."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._engine.dispose()


class _Turns:
    """Who comes first gets a connection first. SQLAlchemy's queue lets newcomers pass: some would wait for seconds."""

    def __init__(self, connections: int, seconds: float) -> None:
        self._free = asyncio.Semaphore(connections)
        self._seconds = seconds

    async def __aenter__(self) -> None:
        if self._free.locked():
            async with asyncio.timeout(self._seconds):
                await self._free.acquire()
        else:
            await self._free.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._free.release()


def _driver_of(lent: PoolProxiedConnection) -> Driver:
    return lent.driver_connection


def _refuse_closed(_: object, __: object, lent: PoolProxiedConnection) -> None:
    """Have the pool make a new connection instead of one that is known to be lost."""
    if _driver_of(lent).is_closed():
        raise DisconnectionError


def _limits(statement_seconds: float | None) -> Mapping[str, str]:
    """Limits of Postgres's own, in milliseconds; a pooler passes none of them on."""
    limits = {
        "statement_timeout": str(STATEMENT_MS),
        "lock_timeout": str(STATEMENT_MS),
        "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
        "transaction_timeout": str(TRANSACTION_MS),
    }
    if statement_seconds is None:
        return limits
    return limits | {
        "statement_timeout": str(int(statement_seconds * 1000)),
        "transaction_timeout": "0",
        "client_connection_check_interval": "1000",  # a long statement whose client was killed ends too
    }


def create_engine(database_url: str, *, connect_args: Mapping[str, object], **options: Any) -> AsyncEngine:  # noqa: ANN401 - SQLAlchemy's own options
    """Make an engine that leaves the whole URL to asyncpg: `sslmode`, `sslrootcert` and the like are known to it alone.

    Raises:
        ValueError: not a postgresql URL.
    """
    if make_url(database_url).drivername != "postgresql":
        raise ValueError("the database URL must begin with postgresql://")
    return create_async_engine("postgresql+asyncpg://", connect_args={"dsn": database_url, **connect_args}, **options)
