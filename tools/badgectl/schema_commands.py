"""`badgectl migrate` and `badgectl topics`: what must be there before anything runs."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from badgectl import addresses
from badgectl.failures import CommandError, failures_told
from messaging.topics import create_topics
from storage.migrate import upgrade
from storage.schema import REVISIONS


def migrate() -> None:
    """Bring the database (BADGES_DATABASE_URL, else the stack here) to this version's schema."""
    with failures_told(), Console(stderr=True).status("Migrating"):
        upgrade(addresses.database_url())
    typer.echo(f"The database has the schema {REVISIONS[-1]}.")


def topics(
    *,
    partitions: Annotated[int, typer.Option(min=1, help="Of the topics that are made now.")] = 12,
) -> None:
    """Create the topics that are missing (BADGES_KAFKA_*, else the stack here). The others stay as they are."""
    with failures_told(), Console(stderr=True).status("Creating topics"):
        try:
            asyncio.run(create_topics(addresses.kafka_settings(), partitions=partitions))
        except TimeoutError as error:
            raise CommandError("Kafka did not answer in time") from error
    typer.echo("The topics are there.")
