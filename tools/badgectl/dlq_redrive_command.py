"""`badgectl dlq redrive`: its options, its question, its report."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console

from badgectl import addresses
from badgectl.counted_progress import counted_progress
from badgectl.database_calls import in_database
from badgectl.dlq_filters import Json, Reasons, Wanted, filter_of
from badgectl.dlq_redrive import RedriveOptions, RedrivePlan, RedriveTally, Verdict, redrive
from badgectl.dlq_tables import count_json, print_summary
from badgectl.failures import failures_told
from badgectl.periods import Since, Until
from badgectl.tenant_choice import TenantOrAll
from badgectl.terminal_text import json_line
from messaging.topic_scan import TopicScan
from storage.database import Connection, Database
from storage.rejections import RejectionCount, RejectionFilter, summarize_rejections

MOST_TRIES = 5

_SAID = {
    Verdict.PUBLISHED: "published again",
    Verdict.REDRIVEN_BEFORE: "left out: redriven before (--again)",
    Verdict.TRIED_TOO_OFTEN: "left out: redriven too often (--most-tries)",
    Verdict.CUT: "left out: too large to have been kept whole",
    Verdict.TOO_LARGE: "left out: too large for the topic with one header more",
}


def redrive_command(  # noqa: PLR0913 - one parameter an option
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Only these. Default: all.")] = None,
    *,
    reason: Reasons = None,
    tenant: TenantOrAll = None,
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
    wanted = Wanted(ids=ids or (), reasons=reason or (), tenant=tenant, since=since, until=until)
    options = RedriveOptions(limit=limit, most_tries=most_tries, again=again, rate=rate, is_rehearsal=dry_run)
    console = Console(stderr=True)
    chosen, counts = in_database(lambda connection: _survey(connection, wanted))
    print_summary(console, counts, by_tenant=True)
    due = sum(count.requests if again else count.requests - count.redriven for count in counts)
    if due and not (dry_run or yes):
        most = due if limit is None else min(due, limit)
        typer.confirm(f"Publish up to {most:,} requests again?", abort=True, err=True)
    tally = RedriveTally()
    try:
        with failures_told():
            if first := _first(counts, again=again):
                asyncio.run(_carry_out(console, chosen, first, options, tally))
    finally:
        missing = max(0, due - _met(tally)) if tally.is_complete and limit is None else 0
        _report(counts, tally, missing=missing, is_rehearsal=dry_run, as_json=as_json)
    if missing or any(tally.verdicts[verdict] for verdict in (Verdict.TRIED_TOO_OFTEN, Verdict.CUT, Verdict.TOO_LARGE)):
        raise typer.Exit(1)


async def _survey(connection: Connection, wanted: Wanted) -> tuple[RejectionFilter, Sequence[RejectionCount]]:
    chosen = await filter_of(connection, wanted)
    return chosen, await summarize_rejections(connection, chosen)


def _first(counts: Sequence[RejectionCount], *, again: bool) -> datetime | None:
    """When the first request was rejected that is to be redriven; None when there is none."""
    times = (count.first if again else count.first_waiting for count in counts)
    return min((time for time in times if time is not None), default=None)


async def _carry_out(
    console: Console, wanted: RejectionFilter, first: datetime, options: RedriveOptions, tally: RedriveTally
) -> None:
    database = Database(addresses.database_url(), application="badgectl-dlq", pool_size=1)
    kafka = addresses.kafka_settings()
    plan = RedrivePlan(kafka=kafka, database=database, wanted=wanted, since=first, options=options)
    to_read: int | None = None
    try:
        with counted_progress(console, lambda: to_read) as show:

            def look(scan: TopicScan, tally: RedriveTally) -> None:
                nonlocal to_read
                to_read = scan.offsets_to_read
                show(scan.offsets_read, f"{tally.verdicts[Verdict.PUBLISHED]:,} published")

            await redrive(plan, tally, look)
    finally:
        await database.close()


def _met(tally: RedriveTally) -> int:
    return tally.verdicts.total() - tally.verdicts[Verdict.REDRIVEN_BEFORE]


def _report(
    counts: Sequence[RejectionCount], tally: RedriveTally, *, missing: int, is_rehearsal: bool, as_json: bool
) -> None:
    if as_json:
        verdicts = {verdict.value: tally.verdicts[verdict] for verdict in Verdict}
        found = {"dry_run": is_rehearsal, "complete": tally.is_complete, **verdicts, "letter_not_found": missing}
        by_reason = {"published_by_reason": dict(sorted(tally.reasons.items()))}
        typer.echo(json_line({**found, **by_reason, "meant": [count_json(count) for count in counts]}))
        return
    for verdict, said in _SAID.items():
        if tally.verdicts[verdict] or verdict is Verdict.PUBLISHED:
            would = "would be " if is_rehearsal and verdict is Verdict.PUBLISHED else ""
            typer.echo(f"{tally.verdicts[verdict]:,} {would}{said}")
    if missing:
        typer.echo(f"{missing:,} left out: no dead letter is on the topic (not yet published, or deleted)")
