"""What a worker needs before it may consume; it may well be started first."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from domain.errors import StorageUnavailableError
from messaging.clients import cluster_id_of, start_producer
from messaging.settings import KafkaSettings
from storage.cluster import settled_cluster
from storage.database import Database
from storage.schema import check_schema

RETRY_SECONDS = 0.25

log = structlog.get_logger()


class WrongClusterError(Exception):
    """This Kafka is not the one whose log the database is the record of. See the runbook."""

    def __init__(self, *, met: str, known: str) -> None:
        super().__init__(f"this is the Kafka cluster {met}, the database belongs to {known}")


async def wait_for_needs(database: Database, kafka: KafkaSettings, producer: AIOKafkaProducer) -> None:
    """Return once the schema is there, the producer has started, and Kafka is the one of this database."""
    await _wait_for("postgres", lambda: check_schema(database))
    await _wait_for("kafka", lambda: start_producer(kafka, producer))
    await _wait_for("the Kafka of this database", lambda: _check_cluster(database, producer))


async def _check_cluster(database: Database, producer: AIOKafkaProducer) -> None:
    """The first cluster that a database meets is its own: requests of another one are not for it."""
    met = await cluster_id_of(producer)
    async with database.transaction() as connection:
        known = await settled_cluster(connection, met)
    if known != met:
        raise WrongClusterError(met=met, known=known)


async def _wait_for(what: str, attempt: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await attempt()
        except (StorageUnavailableError, KafkaError, WrongClusterError) as error:
            log.warning("worker.waits", needs=what, error=str(error))
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return
