"""The worker's transaction: awards, rejected requests and the outbox, all or nothing."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import UUID

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
from storage.database import Database, Driver
from storage.errors import storage_errors

ROW_BYTES = 8 * 1024 * 1024


class PostgresLedger:
    """See `domain.ports.Ledger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["PostgresTransaction"]:
        """Begin; commit when the context ends in peace, else roll back."""
        async with self._database.driver_transaction() as driver:
            yield PostgresTransaction(driver)


class PostgresTransaction:
    """See `domain.ports.AwardTransaction`."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def find_definitions(self, codes: Iterable[tuple[UUID, str]]) -> Mapping[tuple[UUID, str], Definition]:
        """Read and hold (FOR SHARE) the badges behind the codes."""
        wanted = sorted(set(codes))
        rows = await self._driver.fetch(statements.FIND_DEFINITIONS, [t for t, _ in wanted], [c for _, c in wanted])
        found = {
            (row["tenant_id"], row["code"]): Definition(tenant_is_enabled=row["tenant_is_enabled"], badge=badge_of(row))
            for row in rows
        }
        missing = [key for key in wanted if key not in found]
        return {**found, **await self._without_badge(missing)} if missing else found

    async def _without_badge(self, codes: Sequence[tuple[UUID, str]]) -> Mapping[tuple[UUID, str], Definition]:
        """What is known of codes that no badge has: whether their tenant exists, and is enabled."""
        rows = await self._driver.fetch(statements.FIND_TENANTS, sorted({tenant_id for tenant_id, _ in codes}))
        enabled = dict(rows)
        return {
            (tenant_id, code): Definition(tenant_is_enabled=enabled[tenant_id], badge=None)
            for tenant_id, code in codes
            if tenant_id in enabled
        }

    async def find_rejections(self, positions: Iterable[LogPosition]) -> Mapping[LogPosition, Rejected]:
        """Look the stretches that the positions make up by primary key: few, where the positions are many."""
        wanted = list(positions)
        rows = await self._driver.fetch(statements.FIND_REJECTIONS, *_stretch_columns(wanted))
        found = {
            LogPosition(*position): Rejected(reason=_reason(reason), detail=detail)
            for *position, reason, detail in rows
        }
        return {position: found[position] for position in wanted if position in found} if found else {}

    async def insert_awards(self, earned: Sequence[tuple[Award, LogPosition]]) -> set[AwardKey]:
        """Insert in primary key order: overlapping batches of two workers cannot deadlock."""
        in_order = sorted(earned, key=lambda pair: pair[0].key)
        ordered = [award for award, _ in in_order]
        rows = await self._driver.fetch(
            statements.INSERT_AWARDS,
            [award.tenant_id for award in ordered],
            [award.participant_id for award in ordered],
            [award.badge_id for award in ordered],
            [award.earned_at for award in ordered],
            [_json_or_none(award.metadata) for award in ordered],
            [award.request_id for award in ordered],
            [award.source for award in ordered],
            [position.topic for _, position in in_order],
            [position.partition for _, position in in_order],
            [position.offset for _, position in in_order],
        )
        return {tuple(row) for row in rows}

    async def find_awards(self, keys: Iterable[AwardKey]) -> Mapping[AwardKey, Award]:
        """Look the awards up by primary key."""
        wanted = list(keys)
        rows = await self._driver.fetch(
            statements.FIND_AWARDS,
            [tenant_id for tenant_id, _, _ in wanted],
            [participant_id for _, participant_id, _ in wanted],
            [badge_id for _, _, badge_id in wanted],
        )
        awards = (Award(**row) for row in rows)
        return {award.key: award for award in awards}

    async def insert_rejections(self, rejections: Sequence[tuple[ReceivedRequest, Rejected]]) -> set[LogPosition]:
        """Insert what is not there yet."""
        positions = [received.record.position for received, _ in rejections]
        subjects = [received.subject for received, _ in rejections]
        rows = await self._driver.fetch(
            statements.INSERT_REJECTIONS,
            [position.topic for position in positions],
            [position.partition for position in positions],
            [position.offset for position in positions],
            [position.timestamp_ms for position in positions],
            [rejected.reason.value for _, rejected in rejections],
            [_storable(rejected.detail) for _, rejected in rejections],
            [subject.tenant_id for subject in subjects],
            [subject.participant_id for subject in subjects],
            [subject.badge_code for subject in subjects],
            [subject.request_id for subject in subjects],
        )
        return {LogPosition(*row) for row in rows}

    async def enqueue(self, messages: Sequence[bytes]) -> int:
        """One row and one NOTIFY for the batch (a NOTIFY takes a global lock at commit), or a few for a large one."""
        number = 0
        for part in _parts(messages):
            payload = b"".join(part)
            number = await self._driver.fetchval(statements.ENQUEUE, payload, len(part), statements.OUTBOX_CHANNEL)
        return number

    def savepoint(self) -> AbstractAsyncContextManager[object]:
        """Begin a savepoint; what the driver raises inside is translated."""
        return _savepoint(self._driver)


@asynccontextmanager
async def _savepoint(driver: Driver) -> AsyncIterator[None]:
    with storage_errors():
        async with driver.transaction():
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


def _stretch_columns(positions: Sequence[LogPosition]) -> tuple[list[str], list[int], list[int], list[int]]:
    """Topics, partitions, and of each its least and its greatest offset."""
    offsets: dict[tuple[str, int], list[int]] = defaultdict(list)
    for topic, partition, offset, _ in positions:
        offsets[topic, partition].append(offset)
    return (
        [topic for topic, _ in offsets],
        [partition for _, partition in offsets],
        [min(of_one) for of_one in offsets.values()],
        [max(of_one) for of_one in offsets.values()],
    )
