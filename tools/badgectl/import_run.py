"""An import: rows become requests on Kafka, and each request's outcome is learned."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

import structlog
from aiokafka.errors import KafkaError

from badgectl.failures import RIGHT_CLUSTER, CommandError
from badgectl.import_files import ImportFile
from badgectl.import_rows import ImportRow, InvalidRow, Row
from badgectl.import_tally import Tally
from badgectl.late_answers import ask_for_late_answers
from badgectl.missing_badges import MissingBadges
from badgectl.ordered_publisher import OrderedPublisher
from badgectl.right_cluster import check_cluster
from badgectl.unawardable import BadgeStandings, Standing, refusal
from badgectl.under_way import STALL_SECONDS, WINDOW, RequestsUnderWay, RequestUnderWay, StalledError
from domain.errors import StorageUnavailableError
from domain.times import Clock
from messaging.clients import create_producer, start_producer, stop_producer
from messaging.outcome_reader import OutcomeReader
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from storage.database import Database
from storage.imports import is_tenant_enabled
from storage.schema import check_schema

READY_SECONDS = 20

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """What to import for whom, and how."""

    tenant_id: UUID
    kafka: KafkaSettings
    database: Database
    creates_badges: bool
    skips_unawardable: bool
    clock: Clock
    stall_seconds: float = STALL_SECONDS


async def check_tenant(database: Database, tenant_id: UUID) -> None:
    """Return when the tenant can be awarded to.

    Raises:
        CommandError: no such tenant, or it is disabled.
        StorageError: Postgres cannot tell.
    """
    await check_schema(database)
    async with database.reading() as connection:
        is_enabled = await is_tenant_enabled(connection, tenant_id)
    if is_enabled is None:
        raise CommandError(f"there is no tenant {tenant_id} in this database")
    if not is_enabled:
        raise CommandError(f"the tenant {tenant_id} is disabled")


async def run_import(plan: ImportPlan, file: ImportFile, tally: Tally) -> None:
    """Publish every row of the file; return when all is answered or nothing moves any more.

    Raises:
        KafkaError, StorageError, CommandError: it cannot begin, or trying again is no use.
    """
    await check_tenant(plan.database, plan.tenant_id)
    await check_cluster(plan.kafka, plan.database)
    run_id = f"import-{secrets.token_hex(8)}"
    topic = topics_of(plan.kafka).award_requests
    reader = OutcomeReader(plan.kafka, run_id, most_waiting=WINDOW)
    under_way = RequestsUnderWay(
        tenant_id=plan.tenant_id, run_id=run_id, reader=reader, tally=tally, stall_seconds=plan.stall_seconds
    )
    producer = create_producer(plan.kafka)
    try:
        await start_producer(plan.kafka, producer)
        publisher = OrderedPublisher(
            producer,
            topic,
            partitions=len(await producer.partitions_for(topic)),
            on_published=under_way.published,
            on_retry=_note_retry,
        )
        late_answers = ask_for_late_answers(plan.database, under_way, tenant_id=plan.tenant_id)
        async with _beside(reader.run(), publisher.run(), late_answers):
            await _wait_ready(reader)
            await _publish(plan, file, tally, under_way, publisher)
    finally:
        await stop_producer(producer)


async def _publish(
    plan: ImportPlan,
    file: ImportFile,
    tally: Tally,
    under_way: RequestsUnderWay,
    publisher: OrderedPublisher[RequestUnderWay],
) -> None:
    try:
        await _put_all(plan, file, tally, under_way, publisher)
        await under_way.settled()
    except StalledError:
        tally.stopped = f"nothing has moved for {plan.stall_seconds:.0f} s: do Kafka, Postgres and a worker run?"


async def _put_all(
    plan: ImportPlan,
    file: ImportFile,
    tally: Tally,
    under_way: RequestsUnderWay,
    publisher: OrderedPublisher[RequestUnderWay],
) -> None:
    missing = MissingBadges(plan.database, tenant_id=plan.tenant_id, new_id=uuid4)
    standings = BadgeStandings(tenant_id=plan.tenant_id)
    for chunk in file.chunks():
        rows = count_rows(chunk, tally)
        try:
            if plan.creates_badges:
                tally.created += await missing.create(rows)
            async with plan.database.reading() as connection:
                known = await standings.look_up(connection, rows)
        except StorageUnavailableError as error:
            tally.stopped = f"badges could not be looked up or created: {error}"
            return
        if plan.skips_unawardable:
            rows = _awardable(rows, known, tally)
        elif refused := refusal(rows, known):
            tally.stopped = refused
            return
        await under_way.room(len(rows))
        for row in rows:
            publisher.put(under_way.begin(row, earned_at=row.earned_at or plan.clock()))
        await asyncio.sleep(0)  # let the publisher and the answers have their turn


def _awardable(rows: Sequence[ImportRow], standings: Mapping[str, Standing], tally: Tally) -> Sequence[ImportRow]:
    """Return the rows whose badges can be awarded; count the others as skipped."""
    awardable: list[ImportRow] = []
    for row in rows:
        if standings[row.badge_code] is Standing.AWARDABLE:
            awardable.append(row)
        else:
            tally.count_skipped(row.badge_code)
    return awardable


def count_rows(chunk: Sequence[Row], tally: Tally) -> Sequence[ImportRow]:
    """Count every row; return those that can be asked for."""
    rows: list[ImportRow] = []
    for row in chunk:
        if isinstance(row, InvalidRow):
            tally.count_invalid(row)
        else:
            tally.count_row(row)
            rows.append(row)
    return rows


async def _wait_ready(reader: OutcomeReader) -> None:
    try:
        async with asyncio.timeout(READY_SECONDS):
            await reader.wait_ready()
    except TimeoutError as error:
        raise CommandError(
            f"Kafka's outcomes cannot be read: are there topics? {RIGHT_CLUSTER} If so, `badgectl topics` creates them"
        ) from error


def _note_retry(error: KafkaError) -> None:
    log.warning("import.batch_retried", error=repr(error))


@asynccontextmanager
async def _beside(*jobs: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run the jobs while the context lasts; the first failure, there or here, ends all."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(job) for job in jobs]
            yield
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as failures:
        raise _first(failures) from failures


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
