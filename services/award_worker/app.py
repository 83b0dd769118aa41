"""Wires the worker together. Nothing connects before the app runs."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, NoReturn

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import ConsumerStoppedError, KafkaError
from aiokafka.structs import TopicPartition
from faststream.asgi import AsgiFastStream
from faststream.kafka import KafkaBroker
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from award_worker.asyncapi import asyncapi_document
from award_worker.handler import AwardHandler
from award_worker.intake import Intake
from award_worker.metrics import WorkerMetrics
from award_worker.probes import Check, documentation_routes, probe_routes
from award_worker.relay import Publisher, Relay
from award_worker.settings import WorkerSettings
from domain.errors import StorageUnavailableError
from domain.ports import Ledger
from domain.times import utc_now
from messaging.announcements import KafkaAnnouncements
from messaging.clients import check_compiled, create_producer, stop_producer
from messaging.event_log import EventLog
from messaging.outcome_publisher import OutcomePublisher
from messaging.settings import KafkaSettings
from messaging.tolerant_records import read_tolerantly
from messaging.topics import topics_of
from storage.database import Database
from storage.ledger import PostgresLedger
from storage.outbox import open_outbox
from storage.schema import check_schema

APPLICATION = "badges-award-worker"
START_RETRY_SECONDS = 0.25
GRACE_SECONDS = 20

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """What the worker stands on; tests put in ones that fail on purpose."""

    create_ledger: Callable[[Database], Ledger] = PostgresLedger
    create_publisher: Callable[[KafkaSettings], Publisher] = EventLog


class PatientBroker(KafkaBroker):
    """Begins to consume once what it needs is there; the probes answer meanwhile."""

    def __init__(
        self,
        *,
        needs: Callable[[], Awaitable[None]],
        leave: Callable[[], NoReturn],
        **options: Any,  # noqa: ANN401 - FastStream's own options
    ) -> None:
        super().__init__(**options)
        self._needs = needs
        self._leave = leave

    async def start(self) -> None:
        """Wait, then start. Half started, the process would look alive and do nothing: then it ends."""
        await self._needs()
        try:
            await super().start()
        except Exception:
            log.exception("worker.did_not_start")
            self._leave()
        for subscriber in self.subscribers:
            self._watch(getattr(subscriber, "consumer", None))
        log.info("worker.consumes")

    def _watch(self, consumer: AIOKafkaConsumer) -> None:
        """End the process when a read fails, for FastStream would go on with the next one.

        What aiokafka had taken from other partitions before it failed would be lost: it would pass
        for done with the next commit. A new process begins again at what was committed.
        """
        getmany = consumer.getmany

        async def watched(*partitions: TopicPartition, **options: object) -> object:
            try:
                return await getmany(*partitions, **options)
            except ConsumerStoppedError:
                raise
            except Exception:
                log.exception("read.failed")
                self._leave()

        consumer.getmany = watched

    async def stop(self, *error: Any) -> None:  # noqa: ANN401 - FastStream's own signature
        """Finish the batch under way, then leave the group, named or not."""
        for subscriber in self.subscribers:
            consumer = getattr(subscriber, "consumer", None)
            if consumer is not None:
                # aiokafka does not have a named member leave; who ends in an orderly way does not come back at once.
                consumer._coordinator._group_instance_id = None  # noqa: SLF001 - no public way
        await super().stop(*error)


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
    relay = Relay(
        open_outbox=lambda: open_outbox(str(settings.database_url), application=f"{APPLICATION}-relay"),
        create_publisher=lambda: adapters.create_publisher(settings.kafka),
        metrics=metrics,
    )
    intake = Intake(
        handler=AwardHandler(
            ledger=adapters.create_ledger(database),
            announcements=KafkaAnnouncements(topics),
            clock=utc_now,
        ),
        outcomes=outcomes,
        metrics=metrics,
        clock=utc_now,
        leave=leave,
    )

    needed = asyncio.Event()

    async def needs() -> None:
        await _wait_for("postgres", lambda: check_schema(database))
        await _wait_for("kafka", producer.start)
        needed.set()

    broker = PatientBroker(
        needs=needs,
        leave=leave,
        bootstrap_servers=settings.kafka.bootstrap.split(","),
        security=_security(settings.kafka),
        apply_types=False,
        consumer_only=True,
        allow_auto_create_topics=False,
        graceful_timeout=GRACE_SECONDS,
        logger=logging.getLogger("faststream"),
    )
    intake.subscribe(broker, topics, batch_size=settings.batch_size, instance_id=settings.instance_id)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        relaying = asyncio.create_task(_run_when(needed, relay))
        relaying.add_done_callback(lambda task: _leave_if_failed(task, leave))
        try:
            yield
        finally:
            relaying.cancel()
            with suppress(asyncio.CancelledError):
                await relaying
            await outcomes.close()
            await stop_producer(producer)
            await database.close()

    return AsgiFastStream(
        broker,
        lifespan=lifespan,
        logger=None,
        asgi_routes=[
            *probe_routes(checks=_checks(database, producer, broker, relay), metrics=metrics),
            *documentation_routes(asyncapi_document(topics)),
        ],
    )


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


async def _wait_for(what: str, attempt: Callable[[], Awaitable[None]]) -> None:
    """Try until it works: a worker may well be started before what it needs."""
    while True:
        try:
            await attempt()
        except (StorageUnavailableError, KafkaError) as error:
            log.warning("worker.waits", needs=what, error=str(error))
            await asyncio.sleep(START_RETRY_SECONDS)
        else:
            return


async def _run_when(needed: asyncio.Event, relay: Relay) -> None:
    await needed.wait()
    await relay.run()


def _leave_if_failed(task: asyncio.Task[None], leave: Callable[[], NoReturn]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("relay.failed", exc_info=error)
        leave()


def _security(kafka: KafkaSettings) -> BaseSecurity | None:
    """The same settings as `KafkaSettings.connection`, in FastStream's terms."""
    connection = kafka.connection()
    context = connection["ssl_context"]
    uses_tls = context is not None
    if "sasl_mechanism" not in connection:
        return BaseSecurity(ssl_context=context, use_ssl=uses_tls) if uses_tls else None
    kinds = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
    return kinds[kafka.sasl_mechanism](
        username=str(connection["sasl_plain_username"]),
        password=str(connection["sasl_plain_password"]),
        ssl_context=context,
        use_ssl=uses_tls,
    )
