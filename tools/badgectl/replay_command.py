"""`badgectl replay`: its options, its question, its report."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from badgectl import addresses
from badgectl.counted_progress import counted_progress
from badgectl.database_calls import in_database
from badgectl.failures import CommandError, failures_told
from badgectl.periods import Since, Until, instant_of
from badgectl.replay_run import Replayed, ReplayPlan, place_of_token, replay, token_of
from badgectl.right_cluster import check_cluster
from badgectl.tenant_choice import TenantOrAll, chosen_tenants
from badgectl.terminal_text import json_line
from domain.awards import AwardKey
from domain.errors import InvalidValueError
from domain.limits import PARTICIPANT_ID_LENGTH, check_text
from domain.times import utc_now
from messaging.topics import topics_of
from storage.award_export import AwardFilter, count_awards
from storage.database import Connection, Database


def replay_command(  # noqa: PLR0913 - one parameter an option
    *,
    tenant: TenantOrAll = None,
    badge: Annotated[str | None, typer.Option(metavar="CODE", help="Only awards of this badge.")] = None,
    participant: Annotated[str | None, typer.Option(metavar="ID", help="Only awards of this participant.")] = None,
    since: Since = None,
    until: Until = None,
    to: Annotated[str | None, typer.Option(metavar="TOPIC", help="Another topic, which must exist.")] = None,
    rate: Annotated[float | None, typer.Option(min=0.1, help="Publish at most so many a second.")] = None,
    after: Annotated[
        str | None, typer.Option(metavar="PLACE", help="Go on where a replay stopped: it printed the place.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Publish nothing; count.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Publish the events of awards again, from the database, with the ids, keys and partitions they always have.

    Each carries the header ce_replay: true. The badge is shown as it is defined now, not as it was when it was
    awarded. --since and --until are about when the award was recorded, whatever its earned_at.
    """
    with failures_told():
        place = None if after is None else place_of_token(after)
        wanted = _filter(tenant, badge, participant, since, until)
        topic = _target(to)
        found = asyncio.run(_count(wanted, place, publishes=not dry_run))
    if found and not (dry_run or yes):
        typer.confirm(f"Publish {found:,} events to {topic} again?", abort=True, err=True)
    so_far = Replayed(last=place)
    try:
        if not dry_run:
            with failures_told():
                asyncio.run(_publish(wanted, topic, rate, so_far, found))
    finally:
        _report(so_far, found, topic, is_rehearsal=dry_run, as_json=as_json)


def _target(to: str | None) -> str:
    topics = topics_of(addresses.kafka_settings())
    if to in {topics.award_requests, topics.award_requests_dlq, topics.award_outcomes, topics.relay_marker}:
        raise CommandError(f"{to} is a topic of the service itself, where nobody expects events of awards")
    return to or topics.badge_awarded


def _filter(
    tenant: str | None, badge: str | None, participant: str | None, since: str | None, until: str | None
) -> AwardFilter:
    now = utc_now()
    try:
        for option, text in (("--badge", badge), ("--participant", participant)):
            if text is not None:
                check_text(option, text, longest=PARTICIPANT_ID_LENGTH)
    except InvalidValueError as error:
        raise CommandError(str(error)) from error
    times = instant_of("--since", since, now=now), instant_of("--until", until, now=now)

    async def choose(connection: Connection) -> AwardFilter:
        return AwardFilter(
            tenant_ids=await chosen_tenants(connection, tenant),
            badge_code=badge,
            participant_id=participant,
            since=times[0],
            until=times[1],
        )

    return in_database(choose)


async def _count(wanted: AwardFilter, after: AwardKey | None, *, publishes: bool) -> int:
    database = _database()
    try:
        if publishes:
            await check_cluster(addresses.kafka_settings(), database)
        return await count_awards(database, wanted, after=after)
    finally:
        await database.close()


async def _publish(wanted: AwardFilter, topic: str, rate: float | None, so_far: Replayed, found: int) -> None:
    database, kafka = _database(), addresses.kafka_settings()
    plan = ReplayPlan(kafka=kafka, database=database, wanted=wanted, topic=topic, after=so_far.last, rate=rate)
    try:
        with counted_progress(Console(stderr=True), lambda: found) as show:
            await replay(plan, so_far, lambda done: show(done, f"{done:,} of {found:,} events published"))
    finally:
        await database.close()


def _database() -> Database:
    return Database(addresses.database_url(), application="badgectl-replay", pool_size=1)


def _report(so_far: Replayed, found: int, topic: str, *, is_rehearsal: bool, as_json: bool) -> None:
    place = None if so_far.is_complete or so_far.last is None else token_of(so_far.last)
    if as_json:
        counts = {"awards": found, "published": so_far.events, "complete": is_rehearsal or so_far.is_complete}
        typer.echo(json_line({"dry_run": is_rehearsal, "topic": topic, **counts, "after": place}))
    elif is_rehearsal:
        typer.echo(f"{found:,} events would be published to {topic}")
    else:
        typer.echo(f"{so_far.events:,} of {found:,} events published to {topic}")
        if not so_far.is_complete:
            how = "Run the same command again" if place is None else f"Go on with the same command and --after {place}"
            typer.echo(f"{how}: what is published twice has the same id.", err=True)
