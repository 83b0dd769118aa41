"""The worker's transaction: awards, rejected requests and the outbox, all or nothing."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import UUID

from sqlalchemy import Row

from domain.awards import (
    Award,
    AwardKey,
    LogPosition,
    ReceivedRequest,
    Rejected,
    RejectionReason,
)
from domain.json_text import compact_json
from domain.ports import Definition
from storage import statements
from storage.badges import badge_of
from storage.database import Connection, Database
from storage.errors import storage_errors

ROW_BYTES = 8 * 1024 * 1024


class PostgresLedger:
    """See `domain.ports.Ledger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["PostgresTransaction"]:
        """Begin; commit when the context ends in peace, else roll back."""
        async with self._database.transaction() as connection:
            yield PostgresTransaction(connection)


class PostgresTransaction:
    """See `domain.ports.AwardTransaction`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find_definitions(self, codes: Iterable[tuple[UUID, str]]) -> Mapping[tuple[UUID, str], Definition]:
        """Read and hold (FOR SHARE) the badges behind the codes."""
        wanted = sorted(set(codes))
        rows = await self._connection.execute(
            statements.FIND_DEFINITIONS,
            {"tenant_ids": [t for t, _ in wanted], "codes": [c for _, c in wanted]},
        )
        found = {
            (row["tenant_id"], row["code"]): Definition(tenant_is_enabled=row["tenant_is_enabled"], badge=badge_of(row))
            for row in rows.mappings()
        }
        missing = [key for key in wanted if key not in found]
        return {**found, **await self._without_badge(missing)} if missing else found

    async def _without_badge(self, codes: Sequence[tuple[UUID, str]]) -> Mapping[tuple[UUID, str], Definition]:
        """What is known of codes that no badge has: whether their tenant exists, and is enabled."""
        tenants = await self._connection.execute(
            statements.FIND_TENANTS, {"tenant_ids": sorted({tenant_id for tenant_id, _ in codes})}
        )
        enabled = {row.id: row.is_enabled for row in tenants}
        return {
            (tenant_id, code): Definition(tenant_is_enabled=enabled[tenant_id], badge=None)
            for tenant_id, code in codes
            if tenant_id in enabled
        }

    async def find_rejections(self, positions: Iterable[LogPosition]) -> Mapping[LogPosition, Rejected]:
        """Look the positions up by primary key."""
        result = await self._connection.execute(statements.FIND_REJECTIONS, _position_columns(list(positions)))
        return {_position(row): Rejected(reason=_reason(row.reason), detail=row.detail) for row in result}

    async def insert_awards(self, earned: Sequence[tuple[Award, LogPosition]]) -> set[AwardKey]:
        """Insert in primary key order: overlapping batches of two workers cannot deadlock."""
        in_order = sorted(earned, key=lambda pair: pair[0].key)
        ordered = [award for award, _ in in_order]
        result = await self._connection.execute(
            statements.INSERT_AWARDS,
            {
                "tenant_ids": [award.tenant_id for award in ordered],
                "participant_ids": [award.participant_id for award in ordered],
                "badge_ids": [award.badge_id for award in ordered],
                "earned_ats": [award.earned_at for award in ordered],
                "metadatas": [_json_or_none(award.metadata) for award in ordered],
                "request_ids": [award.request_id for award in ordered],
                "sources": [award.source for award in ordered],
                "topics": [position.topic for _, position in in_order],
                "partitions": [position.partition for _, position in in_order],
                "offsets": [position.offset for _, position in in_order],
            },
        )
        return {(row.tenant_id, row.participant_id, row.badge_id) for row in result}

    async def find_awards(self, keys: Iterable[AwardKey]) -> Mapping[AwardKey, Award]:
        """Look the awards up by primary key."""
        wanted = list(keys)
        result = await self._connection.execute(
            statements.FIND_AWARDS,
            {
                "tenant_ids": [tenant_id for tenant_id, _, _ in wanted],
                "participant_ids": [participant_id for _, participant_id, _ in wanted],
                "badge_ids": [badge_id for _, _, badge_id in wanted],
            },
        )
        awards = (Award(**row._mapping) for row in result)  # noqa: SLF001 - public, despite its name
        return {award.key: award for award in awards}

    async def insert_rejections(self, rejections: Sequence[tuple[ReceivedRequest, Rejected]]) -> set[LogPosition]:
        """Insert what is not there yet."""
        subjects = [received.subject for received, _ in rejections]
        columns = _position_columns([received.record.position for received, _ in rejections])
        result = await self._connection.execute(
            statements.INSERT_REJECTIONS,
            {
                **columns,
                "reasons": [rejected.reason.value for _, rejected in rejections],
                "details": [_storable(rejected.detail) for _, rejected in rejections],
                "tenant_ids": [subject.tenant_id for subject in subjects],
                "participant_ids": [subject.participant_id for subject in subjects],
                "badge_codes": [subject.badge_code for subject in subjects],
                "request_ids": [subject.request_id for subject in subjects],
            },
        )
        return {_position(row) for row in result}

    async def enqueue(self, messages: Sequence[bytes]) -> None:
        """One row and one NOTIFY for the batch (a NOTIFY takes a global lock at commit), or a few for a large one."""
        for part in _parts(messages):
            await self._connection.execute(
                statements.ENQUEUE,
                {
                    "payload": b"".join(part),
                    "message_count": len(part),
                    "channel": statements.OUTBOX_CHANNEL,
                },
            )

    def savepoint(self) -> AbstractAsyncContextManager[object]:
        """Begin a savepoint; what the driver raises inside is translated."""
        return _savepoint(self._connection)


@asynccontextmanager
async def _savepoint(connection: Connection) -> AsyncIterator[None]:
    with storage_errors():
        async with connection.begin_nested():
            yield


def _parts(messages: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Split so that a row stays small enough for one Kafka transaction; a single message is never split."""
    part: list[bytes] = []
    size = 0
    for message in messages:
        if part and size + len(message) > ROW_BYTES:
            yield part
            part, size = [], 0
        part.append(message)
        size += len(message)
    yield part


def _reason(name: str) -> RejectionReason:
    """What a newer release has named stays rejected: whoever waits is told that the request is not valid, and why."""
    try:
        return RejectionReason(name)
    except ValueError:
        return RejectionReason.SCHEMA_VIOLATION


def _json_or_none(metadata: dict[str, object] | None) -> str | None:
    return None if metadata is None else compact_json(metadata)


def _storable(detail: str) -> str:
    """Details quote what came in: take out what Postgres cannot hold."""
    return detail.replace("\0", "\ufffd").encode(errors="replace").decode()


def _position_columns(positions: Sequence[LogPosition]) -> dict[str, list[str] | list[int]]:
    return {
        "topics": [position.topic for position in positions],
        "partitions": [position.partition for position in positions],
        "offsets": [position.offset for position in positions],
        "timestamps": [position.timestamp_ms for position in positions],
    }


def _position(row: Row[tuple[object, ...]]) -> LogPosition:
    return LogPosition(
        topic=row.topic,
        partition=row.partition,
        offset=row.offset,
        timestamp_ms=row.timestamp_ms,
    )
