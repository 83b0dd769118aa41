"""`badgectl verify`: is every award on the topic, once?"""

import asyncio
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console

from badgectl import addresses
from badgectl.counted_progress import counted_progress
from badgectl.database_calls import in_database
from badgectl.failures import CommandError, failures_told
from badgectl.right_cluster import check_cluster
from badgectl.tenant_choice import TenantOrAll, chosen_tenants
from badgectl.terminal_text import result_console
from badgectl.verify_repair import lock_repair, repair, wait_until_published
from badgectl.verify_report import print_findings, print_json, print_verdict
from badgectl.verify_run import Findings, VerifyPlan, compare
from messaging.topic_scan import TopicScan
from messaging.topics import topics_of
from storage.database import Database
from storage.verification import Difference, Verification, open_verification

APPLICATION = "badgectl-verify"
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wishes:
    """The command's options."""

    repairs: bool
    despite_trimmed: bool
    asks: bool
    as_json: bool
    patience: float


def verify(
    *,
    tenant: TenantOrAll = None,
    repair_missing: Annotated[
        bool, typer.Option("--repair", help="Publish the events that are missing, with the ids they always have.")
    ] = False,
    despite_trimmed: Annotated[
        bool,
        typer.Option(
            "--despite-trimmed", help="Repair although events were deleted from the topic: publish them again."
        ),
    ] = False,
    patience: Annotated[
        float, typer.Option(min=1, help="Give up when nothing of the repaired is published for so many seconds.")
    ] = PATIENCE_SECONDS,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before repairing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare every award with the events on badge_awarded, as a read_committed reader sees them.

    The service may be at work meanwhile. Replays do not count as events. With --repair what is missing goes through
    the outbox, with the badge as it is defined now; a worker has to run to publish it, and is waited for.
    Exit code 0 when all is well, or nothing was wrong but what is repaired and published; else 1.
    """
    tenant_ids = in_database(lambda connection: chosen_tenants(connection, tenant))
    wishes = _Wishes(
        repairs=repair_missing, despite_trimmed=despite_trimmed, asks=not yes, as_json=as_json, patience=patience
    )
    findings = Findings()
    try:
        with failures_told():
            plan = VerifyPlan(kafka=addresses.kafka_settings(), tenant_ids=tenant_ids)
            asyncio.run(_carry_out(plan, findings, wishes))
    finally:
        if findings.is_complete:
            print_json(findings) if as_json else print_verdict(result_console(), findings)
    if not findings.is_well:
        raise typer.Exit(1)


async def _carry_out(plan: VerifyPlan, findings: Findings, wishes: _Wishes) -> None:
    console, database_url = Console(stderr=True), addresses.database_url()
    database = Database(database_url, application=APPLICATION, pool_size=1)
    try:
        await check_cluster(plan.kafka, database, must_be_known=wishes.repairs)
        async with open_verification(database_url, application=APPLICATION) as verification:
            if wishes.repairs:
                await lock_repair(verification)
            await _compare(console, plan, verification, findings)
            if not wishes.as_json:
                print_findings(result_console(), findings)
            elif wishes.repairs and wishes.asks:
                print_findings(console, findings)
            if wishes.repairs and _may_repair(findings, wishes):
                await _repair(console, plan, verification, database, findings, patience=wishes.patience)
    finally:
        await database.close()


async def _compare(console: Console, plan: VerifyPlan, verification: Verification, findings: Findings) -> None:
    to_read: int | None = None
    with counted_progress(console, lambda: to_read) as show:

        def look(scan: TopicScan, findings: Findings) -> None:
            nonlocal to_read
            to_read = scan.offsets_to_read
            show(scan.offsets_read, f"{findings.events:,} events read")

        await compare(plan, verification, findings, look)


def _may_repair(findings: Findings, wishes: _Wishes) -> bool:
    missing = findings.counts.get(Difference.MISSING, 0)
    if missing and findings.trimmed and not wishes.despite_trimmed:
        raise CommandError(
            "events were deleted from the beginning of the topic: they would be published again, as nobody can tell "
            "them from those that never were. Nothing is repaired without --despite-trimmed; see the runbook"
        )
    return bool(missing) and (not wishes.asks or typer.confirm(f"Publish {missing:,} missing events?", err=True))


async def _repair(
    console: Console,
    plan: VerifyPlan,
    verification: Verification,
    database: Database,
    findings: Findings,
    *,
    patience: float,
) -> None:
    missing = findings.counts[Difference.MISSING]
    with counted_progress(console, lambda: missing) as show:
        put = await repair(
            topics_of(plan.kafka),
            verification,
            database,
            findings,
            lambda done: show(done, f"{done:,} events put into the outbox"),
        )
    with counted_progress(console, lambda: findings.repaired) as show:
        await wait_until_published(
            database, put, findings, lambda done: show(done, f"{done:,} events published"), patience=patience
        )
