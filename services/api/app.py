"""The gateway's composition root: services, routers, lifespan."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import structlog
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI

from api.auth import Authenticator
from api.award_calls import AwardCalls
from api.badge_directory import BadgeDirectory
from api.crowding import LimitRequests
from api.instruments import Instruments
from api.methods import HeadAsGet
from api.metrics import ApiMetrics, CountRequests
from api.openapi import describe, operation_id
from api.paths import PREFIX, EncodedPaths
from api.problems import add_problem_handlers
from api.rate_limit import AwardRateLimit
from api.request_bounds import RequestBounds
from api.routes import admin_badges, awards, docs_page, explain, health, participants
from api.services import Services
from api.settings import ApiSettings
from domain.times import utc_now
from messaging.clients import check_compiled, create_producer, start_producer, stop_producer
from messaging.outcome_reader import OutcomeReader
from messaging.settings import KafkaSettings
from messaging.topics import topics_of
from telemetry.garbage import look_less_often

APPLICATION = "badges-api"
START_RETRY_SECONDS = 0.25
COMMAND_SECONDS = 2
"""Callers wait for these: a Postgres that hangs is answered 503, soon."""

log = structlog.get_logger()


def create_app(settings: ApiSettings, instruments: Instruments | None = None) -> FastAPI:
    """Build the gateway. Nothing connects before its lifespan begins."""
    check_compiled()
    instruments = instruments or Instruments()
    metrics = ApiMetrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = app.state.services = _wire(settings, metrics, instruments)
        tasks = [
            asyncio.create_task(_connect(settings.kafka, services.producer)),
            asyncio.create_task(services.reader.run()),
            asyncio.create_task(services.authenticator.record_uses()),
        ]
        look_less_often()
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await services.authenticator.record_uses_now()
            await stop_producer(services.producer)
            await services.database.close()

    app = FastAPI(
        lifespan=lifespan,
        title="Badges API",
        docs_url=None,  # FastAPI's pages load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
        telemetry=instruments.telemetry,
    )
    for router in (awards.router, participants.router, admin_badges.router, explain.router):
        app.include_router(router, prefix=PREFIX)
    for router in (health.router, docs_page.router):
        app.include_router(router)
    add_problem_handlers(app)
    app.add_middleware(HeadAsGet)
    app.add_middleware(EncodedPaths)
    app.add_middleware(RequestBounds, seconds=settings.receive_seconds)
    app.add_middleware(LimitRequests, most=settings.requests_at_once)
    app.add_middleware(CountRequests, metrics=metrics)
    describe(app)
    return app


def _wire(settings: ApiSettings, metrics: ApiMetrics, instruments: Instruments) -> Services:
    database = instruments.create_database(
        str(settings.database_url),
        application=APPLICATION,
        pool_size=settings.database_connections,
        is_pooled=settings.database_pooler == "transaction",
        command_seconds=COMMAND_SECONDS,
    )
    producer = create_producer(settings.kafka, linger_ms=0)  # what comes while one batch is sent makes up the next
    topics = topics_of(settings.kafka)
    reader = OutcomeReader(settings.kafka, instance_id=str(uuid4()))
    return Services(
        database=database,
        producer=producer,
        reader=reader,
        authenticator=Authenticator(database, utc_now),
        directory=BadgeDirectory(database),
        rate_limit=AwardRateLimit(
            settings.awards_per_minute,
            redis_url=None if settings.rate_limit_store == "memory" else str(settings.rate_limit_store),
            refuses_when_unknown=settings.rate_limit_when_unknown == "refuse",
            metrics=metrics,
        ),
        award_calls=AwardCalls(
            producer=instruments.around_producer(producer), reader=reader, database=database, topics=topics
        ),
        metrics=metrics,
        topics=topics,
        clock=utc_now,
    )


async def _connect(kafka: KafkaSettings, producer: AIOKafkaProducer) -> None:
    """Connect as soon as Kafka can be reached; `/readyz` says no until then."""
    while True:
        try:
            await start_producer(kafka, producer)
        except Exception as error:  # noqa: BLE001 - whatever it was: without Kafka there is no service
            log.warning("api.waits", needs="kafka", error=repr(error))
            await asyncio.sleep(START_RETRY_SECONDS)
        else:
            return
