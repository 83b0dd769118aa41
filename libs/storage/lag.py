"""What waits in the outbox, and which relay is to publish it: read by operators, beside the relay."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from storage.database import Connection
from storage.outbox import LOCK_KEY

# count and sum read the narrow part of each row alone: large payloads are stored apart.
_OUTBOX = text("""
    SELECT count(*) AS batches, coalesce(sum(message_count), 0) AS messages, count(emit_seq) AS claimed_batches,
           extract(epoch FROM now() - min(created_at)) AS oldest_seconds
    FROM outbox
""")

_MIRROR = text("""
    SELECT r.emit_seq, r.updated_at, CASE WHEN s.is_called THEN s.last_value ELSE 0 END AS highest
    FROM relay_state AS r CROSS JOIN outbox_emit_seq AS s
""")

# A lock of one bigint shows its upper half as classid and its lower half as objid.
_HOLDER = text("""
    SELECT l.pid, a.application_name AS application, host(a.client_addr) AS address, a.backend_start AS since
    FROM pg_locks AS l LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.classid::bigint = CAST(:upper AS bigint) AND l.objid::bigint = CAST(:lower AS bigint)
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxDepth:
    """What waits to be published. `claimed_batches` of them a relay has numbered; `oldest_seconds` is None for none."""

    batches: int
    messages: int
    claimed_batches: int
    oldest_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockHolder:
    """The database session that holds the relay's lock.

    `address` is None on a local socket. Of another role's session Postgres hides `address` and `since` from a user
    without `pg_read_all_stats`: then both are None.
    """

    pid: int
    application: str | None
    address: str | None
    since: datetime | None

    @property
    def is_hidden(self) -> bool:
        """Whether nothing can be said of where it comes from."""
        return self.since is None


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayMirror:
    """The relay's watermark as Postgres last saw it, since when, and the highest number ever given."""

    watermark: int
    moved_at: datetime
    highest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayLag:
    """The outbox, and who publishes it; `holder` is None when no relay leads."""

    outbox: OutboxDepth
    mirror: RelayMirror
    holder: LockHolder | None


async def find_relay_lag(connection: Connection) -> RelayLag:
    """Return how far the relay is behind. Takes no lock, and disturbs nobody."""
    depth = (await connection.execute(_OUTBOX)).mappings().one()
    mirror = (await connection.execute(_MIRROR)).one()
    halves = {"upper": LOCK_KEY >> 32, "lower": LOCK_KEY & 0xFFFFFFFF}
    holder = (await connection.execute(_HOLDER, halves)).mappings().first()
    oldest = depth["oldest_seconds"]
    return RelayLag(
        outbox=OutboxDepth(
            batches=depth["batches"],
            messages=int(depth["messages"]),
            claimed_batches=depth["claimed_batches"],
            oldest_seconds=None if oldest is None else max(0.0, float(oldest)),
        ),
        mirror=RelayMirror(watermark=mirror.emit_seq, moved_at=mirror.updated_at, highest=mirror.highest),
        holder=None if holder is None else LockHolder(**holder),
    )
