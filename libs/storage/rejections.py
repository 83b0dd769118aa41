"""Rejected requests as operators ask for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, text

from domain.awards import LogPosition, RejectionReason
from domain.tenants import Environment
from storage.database import Connection

Place = tuple[str, int, int]
"""Topic, partition, offset."""

# An absent filter is null, and lets everything through.
_WANTED = """
    (CAST(:reasons AS text[]) IS NULL OR r.reason = ANY (CAST(:reasons AS text[])))
    AND (CAST(:tenant_ids AS uuid[]) IS NULL OR r.tenant_id = ANY (CAST(:tenant_ids AS uuid[])))
    AND (CAST(:badge_codes AS text[]) IS NULL OR r.badge_code = ANY (CAST(:badge_codes AS text[])))
    AND (CAST(:since AS timestamptz) IS NULL OR r.rejected_at >= CAST(:since AS timestamptz))
    AND (CAST(:until AS timestamptz) IS NULL OR r.rejected_at < CAST(:until AS timestamptz))
    AND (CAST(:topics AS text[]) IS NULL OR (r.topic, r.partition, r."offset") IN (
        SELECT * FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:offsets AS bigint[]))
    ))
"""

_LIST = text(f"""
    SELECT r.*, t.slug, t.environment FROM rejected_requests AS r LEFT JOIN tenants AS t ON t.id = r.tenant_id
    WHERE {_WANTED}
    ORDER BY r.rejected_at DESC, r.topic, r.partition, r."offset" DESC
    LIMIT :limit
""")  # noqa: S608 - a constant of ours

_SUMMARIZE = text(f"""
    SELECT r.reason, r.tenant_id, t.slug, t.environment, count(*) AS requests, count(r.redriven_at) AS redriven,
           min(r.rejected_at) AS first, min(r.rejected_at) FILTER (WHERE r.redriven_at IS NULL) AS first_waiting
    FROM rejected_requests AS r LEFT JOIN tenants AS t ON t.id = r.tenant_id
    WHERE {_WANTED}
    GROUP BY r.reason, r.tenant_id, t.slug, t.environment
    ORDER BY requests DESC, r.reason, r.tenant_id
""")  # noqa: S608 - a constant of ours

# A letter that does not say the timestamp may stand for several rows, of topics that were made anew:
# it is that of the row written at its time.
_MATCH = text(f"""
    SELECT w.number, r.topic, r.partition, r."offset", r.timestamp_ms, r.redriven_at, ({_WANTED}) AS is_wanted
    FROM unnest(
        CAST(:numbers AS integer[]), CAST(:letter_topics AS text[]), CAST(:letter_partitions AS integer[]),
        CAST(:letter_offsets AS bigint[]), CAST(:letter_timestamps AS bigint[]), CAST(:times AS timestamptz[])
    ) AS w (number, topic, partition, "offset", timestamp_ms, time)
    CROSS JOIN LATERAL (
        SELECT * FROM rejected_requests AS same
        WHERE same.topic = w.topic AND same.partition = w.partition AND same."offset" = w."offset"
          AND same.timestamp_ms = coalesce(w.timestamp_ms, same.timestamp_ms)
        ORDER BY abs(extract(epoch FROM same.rejected_at - w.time)) LIMIT 1
    ) AS r
""")  # noqa: S608 - a constant of ours

_UNKNOWN = text(f"""
    SELECT w.topic, w.partition, w."offset"
    FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:offsets AS bigint[]))
        AS w (topic, partition, "offset")
    WHERE NOT EXISTS (
        SELECT FROM rejected_requests AS r
        WHERE r.topic = w.topic AND r.partition = w.partition AND r."offset" = w."offset" AND {_WANTED}
    )
""")  # noqa: S608 - a constant of ours

_NOTE_REDRIVEN = text("""
    UPDATE rejected_requests AS r SET redriven_at = now()
    FROM unnest(
        CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:offsets AS bigint[]),
        CAST(:timestamps AS bigint[])
    ) AS p (topic, partition, "offset", timestamp_ms)
    WHERE r.topic = p.topic AND r.partition = p.partition AND r."offset" = p."offset"
      AND r.timestamp_ms = p.timestamp_ms
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionFilter:
    """Which rejected requests; None lets all through. `since` is part of the time, `until` is not."""

    reasons: Sequence[RejectionReason] | None = None
    tenant_ids: Sequence[UUID] | None = None
    badge_codes: Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    places: Sequence[Place] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One rejected request. `tenant` is the slug and environment of a tenant that exists."""

    position: LogPosition
    reason: str
    detail: str
    tenant_id: UUID | None
    tenant: tuple[str, Environment] | None
    participant_id: str | None
    badge_code: str | None
    request_id: str | None
    rejected_at: datetime
    redriven_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionCount:
    """How many requests of a tenant were rejected for one reason, and when the first one."""

    reason: str
    tenant_id: UUID | None
    tenant: tuple[str, Environment] | None
    requests: int
    redriven: int
    first: datetime
    first_waiting: datetime | None
    """The first that was not redriven."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoughtRow:
    """What a dead letter says of its row; `timestamp_ms` is None in old ones."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRow:
    """The row of the dead letter with that number in the question."""

    number: int
    position: LogPosition
    is_redriven: bool
    is_wanted: bool
    """Whether the filter lets it through."""


async def list_rejections(connection: Connection, wanted: RejectionFilter, *, limit: int) -> Sequence[Rejection]:
    """Return the newest of them, newest first."""
    rows = await connection.execute(_LIST, {**_arguments(wanted), "limit": limit})
    return [
        Rejection(
            position=_position(row),
            reason=row.reason,
            detail=row.detail,
            tenant_id=row.tenant_id,
            tenant=_tenant(row),
            participant_id=row.participant_id,
            badge_code=row.badge_code,
            request_id=row.request_id,
            rejected_at=row.rejected_at,
            redriven_at=row.redriven_at,
        )
        for row in rows
    ]


async def summarize_rejections(connection: Connection, wanted: RejectionFilter) -> Sequence[RejectionCount]:
    """Count them by reason and tenant, the most frequent first."""
    rows = await connection.execute(_SUMMARIZE, _arguments(wanted))
    return [
        RejectionCount(
            reason=row.reason,
            tenant_id=row.tenant_id,
            tenant=_tenant(row),
            requests=row.requests,
            redriven=row.redriven,
            first=row.first,
            first_waiting=row.first_waiting,
        )
        for row in rows
    ]


async def find_rows(
    connection: Connection, wanted: RejectionFilter, letters: Sequence[SoughtRow]
) -> Sequence[FoundRow]:
    """Return the rows of those dead letters; one whose row was trimmed is left out."""
    rows = await connection.execute(
        _MATCH,
        {
            **_arguments(wanted),
            "numbers": list(range(len(letters))),
            "letter_topics": [letter.topic for letter in letters],
            "letter_partitions": [letter.partition for letter in letters],
            "letter_offsets": [letter.offset for letter in letters],
            "letter_timestamps": [letter.timestamp_ms for letter in letters],
            "times": [letter.time for letter in letters],
        },
    )
    return [
        FoundRow(
            number=row.number,
            position=_position(row),
            is_redriven=row.redriven_at is not None,
            is_wanted=row.is_wanted,
        )
        for row in rows
    ]


async def unknown_places(connection: Connection, wanted: RejectionFilter) -> Sequence[Place]:
    """Return the places of the filter where no request that is wanted was rejected, or none that is still kept."""
    rows = await connection.execute(_UNKNOWN, _arguments(wanted))
    return [(row.topic, row.partition, row.offset) for row in rows]


async def note_redriven(connection: Connection, positions: Sequence[LogPosition]) -> None:
    """Note that these requests were published again. The caller commits."""
    await connection.execute(
        _NOTE_REDRIVEN,
        {
            "topics": [position.topic for position in positions],
            "partitions": [position.partition for position in positions],
            "offsets": [position.offset for position in positions],
            "timestamps": [position.timestamp_ms for position in positions],
        },
    )


def _arguments(wanted: RejectionFilter) -> dict[str, object]:
    places = wanted.places
    return {
        "reasons": None if wanted.reasons is None else [reason.value for reason in wanted.reasons],
        "tenant_ids": None if wanted.tenant_ids is None else list(wanted.tenant_ids),
        "badge_codes": None if wanted.badge_codes is None else list(wanted.badge_codes),
        "since": wanted.since,
        "until": wanted.until,
        "topics": None if places is None else [topic for topic, _, _ in places],
        "partitions": None if places is None else [partition for _, partition, _ in places],
        "offsets": None if places is None else [offset for _, _, offset in places],
    }


def _position(row: Row[tuple[object, ...]]) -> LogPosition:
    return LogPosition(topic=row.topic, partition=row.partition, offset=row.offset, timestamp_ms=row.timestamp_ms)


def _tenant(row: Row[tuple[object, ...]]) -> tuple[str, Environment] | None:
    return None if row.slug is None else (row.slug, Environment(row.environment))
