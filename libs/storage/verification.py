"""Awards compared with their events, in Postgres: temporary tables and joins, whatever the number.

Reading the topic takes long and happens before the snapshot; so the snapshot, which holds back vacuum, is short.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import asyncpg
from sqlalchemy import text

from domain.awards import AwardKey
from storage.database import Connection
from storage.errors import storage_errors

LOCK_KEY = 0x7665_7269_6679  # "verify"
CONNECT_SECONDS = 5
STATEMENT_SECONDS = 1800
IDLE_IN_TRANSACTION_MS = 600_000
WORK_MEM = "64MB"
ROWS_PER_READ = 10

_BEGIN = """
    CREATE TEMPORARY TABLE events_read (
        tenant_id uuid NOT NULL, participant_id text COLLATE "C" NOT NULL, badge_id uuid NOT NULL,
        is_replay boolean NOT NULL
    );
    CREATE TEMPORARY TABLE events_waiting (
        tenant_id uuid NOT NULL, participant_id text COLLATE "C" NOT NULL, badge_id uuid NOT NULL
    );
    CREATE TEMPORARY TABLE differences (
        tenant_id uuid, participant_id text COLLATE "C", badge_id uuid,
        originals bigint NOT NULL, replays bigint NOT NULL, kind text NOT NULL
    );
    CREATE INDEX ON differences (kind, tenant_id, participant_id, badge_id);
"""

# Foreign is an event without an award, missing an award without an event (one that is not a replay) that is not
# in the outbox either, doubled an award with several.
_COMPARE = """
    INSERT INTO differences
    SELECT tenant_id, participant_id, badge_id, coalesce(e.originals, 0), coalesce(e.replays, 0),
           CASE WHEN a.is_award IS NULL THEN 'foreign' WHEN e.originals > 1 THEN 'doubled' ELSE 'missing' END
    FROM (
        SELECT tenant_id, participant_id, badge_id,
               count(*) FILTER (WHERE NOT is_replay) AS originals, count(*) FILTER (WHERE is_replay) AS replays
        FROM events_read GROUP BY tenant_id, participant_id, badge_id
    ) AS e
    FULL JOIN (
        SELECT tenant_id, participant_id, badge_id, true AS is_award FROM awards
        WHERE $1::uuid[] IS NULL OR tenant_id = ANY ($1)
    ) AS a USING (tenant_id, participant_id, badge_id)
    LEFT JOIN (SELECT DISTINCT *, true AS is_waiting FROM events_waiting) AS w
        USING (tenant_id, participant_id, badge_id)
    WHERE a.is_award IS NULL OR e.originals > 1 OR (coalesce(e.originals, 0) = 0 AND w.is_waiting IS NULL)
"""

# An award made behind the snapshot has its event on the topic perhaps, and is not foreign for that.
_SETTLE = """
    UPDATE differences AS d SET kind = CASE WHEN originals > 1 THEN 'doubled' ELSE 'right' END
    FROM awards AS a
    WHERE d.kind = 'foreign' AND a.tenant_id = d.tenant_id AND a.participant_id = d.participant_id
      AND a.badge_id = d.badge_id
"""

_COUNT = """
    SELECT kind, count(*) AS awards, count(*) FILTER (WHERE replays > 0) AS replayed FROM differences
    WHERE kind <> 'right' GROUP BY kind
"""

_EXAMPLES = """
    SELECT tenant_id, participant_id, badge_id, originals FROM differences WHERE kind = $1
    ORDER BY tenant_id, participant_id, badge_id LIMIT $2
"""

_MISSING = """
    SELECT tenant_id, participant_id, badge_id FROM differences
    WHERE kind = 'missing' AND (tenant_id, participant_id, badge_id) > ($1, $2, $3)
    ORDER BY tenant_id, participant_id, badge_id LIMIT $4
"""

_OUTBOX = "SELECT id, payload FROM outbox WHERE id > $1 ORDER BY id LIMIT $2"

_FIRST_IN_OUTBOX = text("SELECT min(id) FROM outbox")


class Difference(StrEnum):
    """How awards and events may differ."""

    MISSING = "missing"
    DOUBLED = "doubled"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One award that differs, and how many events there are of it, replays aside."""

    award: AwardKey
    events: int


class Verification:
    """One comparison, step by step: events, snapshot, what waits, events since, `compare`; see `open_verification`."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._snapshot = connection.transaction(isolation="repeatable_read")

    async def try_lock(self) -> bool:
        """Take the lock of those who repair, unless somebody has it; it is held until the connection ends."""
        with storage_errors():
            return bool(await self._connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_KEY))

    async def begin(self) -> None:
        """Make the temporary tables; they go with the connection."""
        with storage_errors():
            await self._connection.execute(_BEGIN)

    async def add_events(self, events: Sequence[tuple[UUID, str, UUID, bool]]) -> None:
        """Take in events that were read: tenant, participant, badge, and whether it is a replay."""
        with storage_errors():
            await self._connection.copy_records_to_table("events_read", records=events)

    async def open_snapshot(self) -> None:
        """Freeze what is seen of the awards and the outbox, until `compare`."""
        with storage_errors():
            await self._snapshot.start()
            await self._connection.execute("SELECT FROM awards LIMIT 1")  # the first statement takes the snapshot

    async def waiting_payloads(self) -> AsyncGenerator[bytes, None]:
        """Yield what is in the outbox of the snapshot."""
        last = 0
        while True:
            with storage_errors():
                rows = await self._connection.fetch(_OUTBOX, last, ROWS_PER_READ)
            if not rows:
                return
            for row in rows:
                yield row["payload"]
            last = rows[-1]["id"]

    async def add_waiting(self, awards: Sequence[AwardKey]) -> None:
        """Take in awards whose event is in the outbox."""
        with storage_errors():
            await self._connection.copy_records_to_table("events_waiting", records=awards)

    async def compare(self, tenant_ids: Sequence[UUID] | None) -> Mapping[Difference, tuple[int, int]]:
        """Compare all that was taken in, and end the snapshot.

        Returns how many awards differ, and of how many of them there are replays.
        """
        tenants = None if tenant_ids is None else list(tenant_ids)
        with storage_errors():
            await self._connection.execute("ANALYZE events_read, events_waiting")
            await self._connection.execute(_COMPARE, tenants)
            await self._snapshot.commit()
            await self._connection.execute(_SETTLE)
            await self._connection.execute("ANALYZE differences")
            rows = await self._connection.fetch(_COUNT)
        return {Difference(row["kind"]): (row["awards"], row["replayed"]) for row in rows}

    async def examples(self, kind: Difference, limit: int) -> Sequence[Example]:
        """Return the first awards that differ so."""
        with storage_errors():
            rows = await self._connection.fetch(_EXAMPLES, kind.value, limit)
        return [Example(award=_key(row), events=row["originals"]) for row in rows]

    async def missing(self, *, limit: int) -> AsyncGenerator[Sequence[AwardKey], None]:
        """Yield every award without an event, so many at a time."""
        last: AwardKey = (UUID(int=0), "", UUID(int=0))
        while True:
            with storage_errors():
                rows = await self._connection.fetch(_MISSING, *last, limit)
            if not rows:
                return
            keys = [_key(row) for row in rows]
            last = keys[-1]
            yield keys


@contextlib.asynccontextmanager
async def open_verification(database_url: str, *, application: str) -> AsyncIterator[Verification]:
    """Connect with bounds for long work: half an hour for a statement.

    Raises:
        StorageUnavailableError: no connection within 5 s.
    """
    with storage_errors():
        connection = await asyncpg.connect(
            database_url,
            timeout=CONNECT_SECONDS,
            command_timeout=STATEMENT_SECONDS,
            server_settings={
                "application_name": application,
                "statement_timeout": str(STATEMENT_SECONDS * 1000),
                "lock_timeout": "10000",
                "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
                "work_mem": WORK_MEM,
                # A statement whose client was killed ends too.
                "client_connection_check_interval": "1000",
            },
        )
    try:
        yield Verification(connection)
    finally:
        connection.terminate()  # it may be in the middle of something, and there is nothing to keep


async def first_in_outbox(connection: Connection) -> int | None:
    """Return the lowest number in the outbox; None when it is empty. What has a lower one is published."""
    first: int | None = await connection.scalar(_FIRST_IN_OUTBOX)
    return first


def _key(row: asyncpg.Record) -> AwardKey:
    return row["tenant_id"], row["participant_id"], row["badge_id"]
