"""`badgectl dlq redrive`: its options, its question, its report."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console

from badgectl import addresses
from badgectl.counted_progress import counted_progress
from badgectl.database_calls import SURVEY_SECONDS
from badgectl.dlq_filters import Badges, Json, Reasons, Wanted, filter_of
from badgectl.dlq_redrive import RedriveOptions, RedrivePlan, RedriveTally, Verdict, redrive
from badgectl.dlq_tables import count_json, print_summary
from badgectl.failures import CommandError, failures_told
from badgectl.periods import Since, Until
from badgectl.right_cluster import check_cluster
from badgectl.tenant_choice import TenantOrAll
from badgectl.terminal_text import json_line
from messaging.topic_scan import TopicScan
from storage.database import Database
from storage.operator_lock import REDRIVE_LOCK_KEY, try_lock
from storage.rejections import Place, RejectionCount, RejectionFilter, summarize_rejections, unknown_places

APPLICATION = "badgectl-dlq"
MOST_TRIES = 5

_SAID = {
    Verdict.PUBLISHED: "published again",
    Verdict.REDRIVEN_BEFORE: "left out: redriven before (--again)",
    Verdict.TRIED_TOO_OFTEN: "left out: redriven too often (--most-tries)",
    Verdict.CUT: "left out: too large to have been kept whole",
    Verdict.TOO_LARGE: "left out: too large for the topic with one header more",
    Verdict.NO_LONGER_KEPT: "older than the rejected requests that are kept (90 days): not looked at",
}
_FAILED = (Verdict.TRIED_TOO_OFTEN, Verdict.CUT, Verdict.TOO_LARGE)


@dataclass(slots=True)
class _Run:
    """What was meant, and what has come of it."""

    counts: Sequence[RejectionCount] = ()
    unknown: Sequence[Place] = ()
    """Of the ids that were given: those of which no row is there."""

    tally: RedriveTally = field(default_factory=RedriveTally)
    missing: int = 0
    is_begun: bool = False

    def due(self, *, again: bool) -> int:
        """How many are to be redriven."""
        return sum(count.requests if again else count.requests - count.redriven for count in self.counts)


def redrive_command(  # noqa: PLR0913 - one parameter an option
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Only these. Default: all.")] = None,
    *,
    reason: Reasons = None,
    tenant: TenantOrAll = None,
    badge: Badges = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Publish at most so many.")] = None,
    most_tries: Annotated[int, typer.Option(min=1, help="Leave out what was redriven so often.")] = MOST_TRIES,
    again: Annotated[bool, typer.Option("--again", help="Also what was redriven before.")] = False,
    rate: Annotated[float | None, typer.Option(min=0.1, help="Publish at most so many a second.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Publish nothing; show what would be.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Publish rejected requests again, as they came, to be decided anew. Mend the cause first.

    Each is a new request in the log, with the header redrive_count: if nothing has changed it is rejected again, as
    a new dead letter. Run the command again to go on where it stopped.
    Exit code 0 when every request that was meant is published, else 1.
    """
    wanted = Wanted(ids=ids or (), reasons=reason or (), tenant=tenant, badges=badge or (), since=since, until=until)
    options = RedriveOptions(limit=limit, most_tries=most_tries, again=again, rate=rate, is_rehearsal=dry_run)
    run = _Run()
    try:
        with failures_told():
            asyncio.run(_carry_out(wanted, options, run, asks=not (dry_run or yes)))
    finally:
        if run.is_begun:
            _report(run, is_rehearsal=dry_run, as_json=as_json)
    if run.missing or run.unknown or any(run.tally.verdicts[verdict] for verdict in _FAILED):
        raise typer.Exit(1)


async def _carry_out(wanted: Wanted, options: RedriveOptions, run: _Run, *, asks: bool) -> None:
    console = Console(stderr=True)
    kafka, database_url = addresses.kafka_settings(), addresses.database_url()
    database = Database(database_url, application=APPLICATION, pool_size=1, statement_seconds=SURVEY_SECONDS)
    try:
        async with _alone(database_url, options):
            await check_cluster(kafka, database)
            chosen = await _survey(database, wanted, run)
            print_summary(console, run.counts, by_tenant=True)
            due = run.due(again=options.again)
            if due and asks:
                most = due if options.limit is None else min(due, options.limit)
                typer.confirm(f"Publish up to {most:,} requests again?", abort=True, err=True)
            run.is_begun = True
            looks_at_all = options.limit is None and chosen.places is None
            first = _first(run.counts, again=options.again)
            if looks_at_all or first:
                since = chosen.since if looks_at_all else first
                plan = RedrivePlan(kafka=kafka, database=database, wanted=chosen, since=since, options=options)
                await _redrive(console, plan, run.tally)
            else:
                run.tally.is_complete = True
            if options.limit is None:
                run.missing = max(0, due - _met(run.tally))
    finally:
        await database.close()


@asynccontextmanager
async def _alone(database_url: str, options: RedriveOptions) -> AsyncIterator[None]:
    """Keep others from redriving at the same time: both would publish the same. A rehearsal disturbs nobody."""
    if options.is_rehearsal:
        yield
        return
    async with try_lock(database_url, REDRIVE_LOCK_KEY, application=APPLICATION) as is_held:
        if not is_held:
            raise CommandError("another `badgectl dlq redrive` is at work")
        yield


async def _survey(database: Database, wanted: Wanted, run: _Run) -> RejectionFilter:
    async with database.reading() as connection:
        chosen = await filter_of(connection, wanted)
        run.counts = await summarize_rejections(connection, chosen)
        run.unknown = await unknown_places(connection, chosen) if chosen.places else ()
    return chosen


async def _redrive(console: Console, plan: RedrivePlan, tally: RedriveTally) -> None:
    to_read: int | None = None
    with counted_progress(console, lambda: to_read) as show:

        def look(scan: TopicScan, tally: RedriveTally) -> None:
            nonlocal to_read
            to_read = scan.offsets_to_read
            show(scan.offsets_read, f"{tally.verdicts[Verdict.PUBLISHED]:,} published")

        await redrive(plan, tally, look)


def _first(counts: Sequence[RejectionCount], *, again: bool) -> datetime | None:
    """When the first request was rejected that is to be redriven; None when there is none."""
    times = (count.first if again else count.first_waiting for count in counts)
    return min((time for time in times if time is not None), default=None)


def _met(tally: RedriveTally) -> int:
    not_due = tally.verdicts[Verdict.REDRIVEN_BEFORE] + tally.verdicts[Verdict.NO_LONGER_KEPT]
    return tally.verdicts.total() - not_due


def _report(run: _Run, *, is_rehearsal: bool, as_json: bool) -> None:
    tally = run.tally
    if as_json:
        verdicts = {verdict.value: tally.verdicts[verdict] for verdict in Verdict}
        found = {"dry_run": is_rehearsal, "complete": tally.is_complete, **verdicts, "letter_not_found": run.missing}
        unknown = {"unknown_ids": [f"{topic}-{partition}-{offset}" for topic, partition, offset in run.unknown]}
        by_reason = {"published_by_reason": dict(sorted(tally.reasons.items()))}
        meant = {"meant": [count_json(count) for count in run.counts]}
        typer.echo(json_line({**found, **unknown, **by_reason, **meant}))
        return
    for verdict, said in _SAID.items():
        if tally.verdicts[verdict] or verdict is Verdict.PUBLISHED:
            would = "would be " if is_rehearsal and verdict is Verdict.PUBLISHED else ""
            typer.echo(f"{tally.verdicts[verdict]:,} {would}{said}")
    if run.missing:
        typer.echo(f"{run.missing:,} left out: no dead letter is on the topic (not yet published, or deleted)")
    if run.unknown:
        typer.echo(f"{len(run.unknown):,} ids stand for no rejected request that is meant and still kept (90 days)")
