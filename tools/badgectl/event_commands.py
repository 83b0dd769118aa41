"""`badgectl events`: what was awarded, and what was rejected, as Kafka tells it."""

import asyncio
import sys
from collections.abc import Callable
from contextlib import aclosing
from typing import Annotated

import typer
from aiokafka import ConsumerRecord

from badgectl import addresses
from badgectl.event_lines import dead_letter_json, dead_letter_line, event_json, event_line
from badgectl.failures import failures_told
from badgectl.topic_tail import read_topic
from messaging.settings import KafkaSettings
from messaging.topics import topics_of

Format = Callable[[ConsumerRecord], str]


def events(
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for new events; Ctrl-C ends.")] = False,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="With --follow: the old ones first.")
    ] = False,
    dlq: Annotated[bool, typer.Option("--dlq", help="Show dead letters instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One CloudEvent in structured mode a line.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many.")] = None,
) -> None:
    """Show every committed event so far; with --follow only the new ones, as they come."""
    with failures_told():
        kafka = addresses.kafka_settings()
        topics = topics_of(kafka)
        form: Format
        if dlq:
            topic, form = topics.award_requests_dlq, dead_letter_json if as_json else dead_letter_line
        else:
            topic, form = topics.badge_awarded, event_json if as_json else event_line
        start = from_beginning or not follow
        if not start and sys.stderr.isatty():
            typer.echo("Waiting for new events; --from-beginning shows the old ones too.", err=True)
        asyncio.run(_print(kafka, topic, form, from_beginning=start, follow=follow, limit=limit))


async def _print(
    kafka: KafkaSettings, topic: str, form: Format, *, from_beginning: bool, follow: bool, limit: int | None
) -> None:
    printed = 0
    async with aclosing(read_topic(kafka, topic, from_beginning=from_beginning, follow=follow)) as batches:
        async for records in batches:
            for record in records:
                sys.stdout.write(f"{form(record)}\n")
                printed += 1
                if printed == limit:
                    return
            sys.stdout.flush()
