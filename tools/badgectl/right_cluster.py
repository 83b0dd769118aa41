"""Keeps a command from one installation's database and another's Kafka."""

from badgectl.failures import CommandError
from messaging.clients import cluster_id_at
from messaging.settings import KafkaSettings
from storage.cluster import known_cluster
from storage.database import Database


async def check_cluster(kafka: KafkaSettings, database: Database, *, must_be_known: bool = False) -> None:
    """Return when Kafka is the cluster that the database knows, or the database knows none yet and may.

    Raises:
        CommandError: it is another one.
        KafkaError, StorageError: one of them does not tell.
    """
    async with database.reading() as connection:
        known = await known_cluster(connection)
    if known is None and not must_be_known:
        return
    met = await cluster_id_at(kafka)
    if known is None:
        raise CommandError(f"the database does not know its Kafka cluster yet; this one is {met}: start a worker first")
    if met != known:
        raise CommandError(
            f"this is the Kafka cluster {met}, the database belongs to {known}: "
            "see BADGES_KAFKA_BOOTSTRAP and BADGES_DATABASE_URL"
        )
