"""Wires the worker together. Nothing connects before the app runs."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import NoReturn

import structlog
from aiokafka import AIOKafkaProducer
from faststream.asgi import AsgiFastStream
from faststream.kafka import KafkaBroker
from structlog.typing import Processor

from award_worker.asyncapi import asyncapi_document
from award_worker.brake import Brake, BrakeLimits
from award_worker.broker import PatientBroker, broker_security
from award_worker.handler import AwardHandler
from award_worker.holding import Holding
from award_worker.intake import Intake
from award_worker.metrics import WorkerMetrics
from award_worker.needs import wait_for_needs
from award_worker.offsets import OffsetCommits
from award_worker.probes import documentation_routes, probe_routes
from award_worker.relay import Publisher, Relay
from award_worker.same_topic import SameTopic
from award_worker.settings import WorkerSettings
from award_worker.survey import Check, Survey
from award_worker.upkeep import keep_trimmed
from domain.ports import Ledger
from domain.times import utc_now
from messaging.announcements import KafkaAnnouncements
from messaging.clients import check_compiled, create_producer, stop_producer
from messaging.event_log import EventLog
from messaging.outcome_publisher import OutcomePublisher
from messaging.settings import KafkaSettings
from messaging.tolerant_records import read_tolerantly
from messaging.topics import topics_of
from storage.brake import released_seconds
from storage.database import Database
from storage.ledger import PostgresLedger
from storage.outbox import open_outbox
from storage.schema import check_schema
from storage.upkeep import trim_rejections
from telemetry.garbage import look_less_often

APPLICATION = "badges-award-worker"
REST_SECONDS = 5
METADATA_AGE_MS = 10_000
"""How soon a topic that was made late is found."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """What the worker stands on: tracing puts its own around, tests put in ones that fail on purpose."""

    create_ledger: Callable[[Database], Ledger] = PostgresLedger
    create_publisher: Callable[[KafkaSettings], Publisher] = EventLog
    create_handler: Callable[..., AwardHandler] = AwardHandler
    log_processors: Sequence[Processor] = ()


def create_worker(
    settings: WorkerSettings, *, leave: Callable[[], NoReturn], adapters: Adapters | None = None
) -> AsgiFastStream:
    """Build the worker as an ASGI app whose lifespan is its work. Call it in the running loop."""
    check_compiled()
    read_tolerantly()
    adapters = adapters or Adapters()
    metrics = WorkerMetrics()
    topics = topics_of(settings.kafka)
    database = Database(str(settings.database_url), application=APPLICATION, pool_size=4)
    producer = create_producer(settings.kafka, linger_ms=0)
    outcomes = OutcomePublisher(producer, topics)
    relay = _create_relay(settings, adapters, metrics)
    brake = _create_brake(settings)
    holding = Holding(brake=brake, released_seconds=lambda: _released_seconds(database), metrics=metrics)
    handler = adapters.create_handler(
        ledger=adapters.create_ledger(database), announcements=KafkaAnnouncements(topics), brake=brake, clock=utc_now
    )
    same_topic = SameTopic(producer=producer, topics=topics, leave=leave)
    commits = OffsetCommits(same_topic.commit, metrics)
    intake = Intake(
        handler=handler,
        outcomes=outcomes,
        commits=commits,
        holding=holding,
        metrics=metrics,
        clock=utc_now,
        leave=leave,
    )
    needed = asyncio.Event()

    async def needs() -> None:
        await wait_for_needs(database, settings.kafka, producer)
        needed.set()

    broker = _create_broker(settings, needs, commits.settled, leave)
    intake.subscribe(
        broker, topics, batch_size=settings.batch_size, instance_id=settings.instance_id, same_topic=same_topic
    )

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        works = (relay.run, holding.run, same_topic.watch, lambda: _upkeep(settings, database))
        async with _closed_in_the_end(outcomes, producer, database), _at_work(*works, when=needed, leave=leave):
            look_less_often()
            yield  # until the broker has stopped
            await relay.rest(REST_SECONDS)

    checks = _checks(database, producer, broker, relay) | {"brake": _is_off(brake)}
    survey = Survey(checks=checks, database=database, producer=producer, topics=topics, metrics=metrics)
    routes = [*probe_routes(survey), *documentation_routes(asyncapi_document(topics))]
    return AsgiFastStream(broker, lifespan=lifespan, logger=None, asgi_routes=routes)


def _create_relay(settings: WorkerSettings, adapters: Adapters, metrics: WorkerMetrics) -> Relay:
    return Relay(
        open_outbox=lambda: open_outbox(str(settings.database_url), application=f"{APPLICATION}-relay"),
        create_publisher=lambda: adapters.create_publisher(settings.kafka),
        metrics=metrics,
    )


def _create_brake(settings: WorkerSettings) -> Brake:
    limits = BrakeLimits(
        consecutive=settings.brake_consecutive, ratio=settings.brake_ratio, window=settings.brake_window
    )
    return Brake(limits, monotonic)


def _create_broker(
    settings: WorkerSettings,
    needs: Callable[[], Awaitable[None]],
    settled: Callable[[], Awaitable[None]],
    leave: Callable[[], NoReturn],
) -> PatientBroker:
    return PatientBroker(
        needs=needs,
        settled=settled,
        leave=leave,
        bootstrap_servers=settings.kafka.bootstrap.split(","),
        metadata_max_age_ms=METADATA_AGE_MS,
        security=broker_security(settings.kafka),
        apply_types=False,
        consumer_only=True,
        allow_auto_create_topics=False,
        drain_seconds=settings.drain_seconds,
        logger=logging.getLogger("faststream"),
    )


async def _released_seconds(database: Database) -> float:
    async with database.reading() as connection:
        return await released_seconds(connection)


async def _upkeep(settings: WorkerSettings, database: Database) -> None:
    retention = timedelta(days=settings.rejected_retention_days)

    async def trim(most: int) -> int:
        async with database.transaction() as connection:
            return await trim_rejections(connection, retention=retention, most=most)

    await keep_trimmed(trim)


@asynccontextmanager
async def _closed_in_the_end(
    outcomes: OutcomePublisher, producer: AIOKafkaProducer, database: Database
) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await outcomes.close()
        await stop_producer(producer)
        await database.close()


@asynccontextmanager
async def _at_work(
    *works: Callable[[], Awaitable[None]], when: asyncio.Event, leave: Callable[[], NoReturn]
) -> AsyncIterator[None]:
    """Run each for as long as the context lasts, once `when` is set; a work that fails ends the process."""

    async def run(work: Callable[[], Awaitable[None]]) -> None:
        await when.wait()
        try:
            await work()
        except Exception:
            log.exception("worker.task_failed")
            leave()

    tasks = [asyncio.create_task(run(work)) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _is_off(brake: Brake) -> Check:
    async def is_off() -> bool:
        return not brake.is_on

    return is_off


def _checks(database: Database, producer: AIOKafkaProducer, broker: KafkaBroker, relay: Relay) -> dict[str, Check]:
    async def postgres() -> bool:
        await check_schema(database)
        return True

    async def kafka() -> bool:
        await producer.client.fetch_all_metadata()
        return True

    async def consumer() -> bool:
        return all(subscriber.running for subscriber in broker.subscribers)

    async def watermark() -> bool:
        return not relay.is_in_lasting_trouble

    return {"postgres": postgres, "kafka": kafka, "consumer": consumer, "relay": watermark}
