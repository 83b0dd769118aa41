"""`badgectl verify`: is every award on the topic, once?"""

import asyncio
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from badgectl import addresses
from badgectl.counted_progress import counted_progress
from badgectl.database_calls import in_database
from badgectl.failures import failures_told
from badgectl.tenant_choice import TenantOrAll, chosen_tenants
from badgectl.terminal_text import json_line, printable, result_console
from badgectl.verify_run import Findings, VerifyPlan, compare, lock_repair, repair
from domain.awards import award_event_id
from messaging.topic_scan import TopicScan
from storage.database import Database
from storage.verification import Difference, Example, open_verification

APPLICATION = "badgectl-verify"

_SAID = {
    Difference.MISSING: "missing: an award without an event",
    Difference.DOUBLED: "doubled: an award with more than one event",
    Difference.FOREIGN: "foreign: an event without an award",
}


def verify(
    *,
    tenant: TenantOrAll = None,
    repair_missing: Annotated[
        bool, typer.Option("--repair", help="Publish the events that are missing, with the ids they always have.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before repairing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare every award with the events on badge_awarded, as a read_committed reader sees them.

    The service may be at work meanwhile. Replays do not count as events. With --repair what is missing goes through
    the outbox, with the badge as it is defined now; a worker has to run to publish it.
    Exit code 0 when all is well, or nothing was wrong but what is repaired; else 1.
    """
    tenant_ids = in_database(lambda connection: chosen_tenants(connection, tenant))
    findings = Findings()
    try:
        with failures_told():
            plan = VerifyPlan(kafka=addresses.kafka_settings(), tenant_ids=tenant_ids)
            asyncio.run(_carry_out(plan, findings, repairs=repair_missing, asks=not yes))
    finally:
        if findings.is_complete:
            _print_json(findings) if as_json else _print(findings)
    if not findings.is_well:
        raise typer.Exit(1)


async def _carry_out(plan: VerifyPlan, findings: Findings, *, repairs: bool, asks: bool) -> None:
    console = Console(stderr=True)
    database_url = addresses.database_url()
    async with open_verification(database_url, application=APPLICATION) as verification:
        if repairs:
            await lock_repair(verification)
        to_read: int | None = None
        with counted_progress(console, lambda: to_read) as show:

            def look(scan: TopicScan, findings: Findings) -> None:
                nonlocal to_read
                to_read = scan.offsets_to_read
                show(scan.offsets_read, f"{findings.events:,} events read")

            await compare(plan, verification, findings, look)
        missing = findings.counts.get(Difference.MISSING, 0)
        if not (repairs and missing):
            return
        if asks and not typer.confirm(f"Publish {missing:,} missing events?", err=True):
            return
        database = Database(database_url, application=APPLICATION, pool_size=1)
        try:
            with counted_progress(console, lambda: missing) as show:
                await repair(
                    plan,
                    verification,
                    database,
                    findings,
                    lambda done: show(done, f"{done:,} events put into the outbox"),
                )
        finally:
            await database.close()


def _print_json(findings: Findings) -> None:
    trimmed = {str(partition): first for partition, first in findings.trimmed.items()}
    typer.echo(
        json_line(
            {
                "ok": findings.is_well,
                "events": findings.events,
                "replays": findings.replays,
                "in_outbox": findings.waiting,
                **{kind.value: _difference_json(findings, kind) for kind in Difference},
                "missing_but_replayed": findings.missing_replayed,
                "unreadable": {
                    "count": findings.unreadable,
                    "examples": [{"partition": at[0], "offset": at[1]} for at in findings.unreadable_at],
                },
                "repaired": findings.repaired,
                "first_offsets": trimmed,
            }
        )
    )


def _difference_json(findings: Findings, kind: Difference) -> dict[str, Any]:
    examples = [
        {
            "tenant_id": str(example.award[0]),
            "participant_id": example.award[1],
            "badge_id": str(example.award[2]),
            "event_id": str(award_event_id(example.award)),
            "events": example.events,
        }
        for example in findings.examples.get(kind, ())
    ]
    return {"count": findings.counts.get(kind, 0), "examples": examples}


def _print(findings: Findings) -> None:
    console = result_console()
    console.print(
        f"{findings.events:,} events read, {findings.replays:,} of them replays; {findings.waiting:,} in the outbox",
        highlight=False,
    )
    for partition, first in findings.trimmed.items():
        console.print(f"partition {partition} begins at offset {first:,}: events before are gone", highlight=False)
    for kind, said in _SAID.items():
        console.print(f"{findings.counts.get(kind, 0):,} {said}", highlight=False)
        for example in findings.examples.get(kind, ()):
            _print_example(console, example)
    if findings.missing_replayed:
        console.print(f"    {findings.missing_replayed:,} of the missing were replayed", highlight=False)
    if findings.unreadable:
        places = ", ".join(f"{partition}@{offset}" for partition, offset in findings.unreadable_at)
        console.print(f"{findings.unreadable:,} unreadable: no event of ours, at {places}", highlight=False)
    if findings.repaired:
        console.print(f"{findings.repaired:,} put into the outbox, to be published", highlight=False)
    if not (findings.is_well and findings.repaired):
        console.print("all is well" if findings.is_well else "not all is well", highlight=False)


def _print_example(console: Console, example: Example) -> None:
    tenant_id, participant_id, badge_id = example.award
    times = f"  {example.events} events" if example.events else ""
    line = f"    tenant {tenant_id}  badge {badge_id}  {participant_id}{times}"
    console.print(escape(printable(line)), soft_wrap=True, highlight=False)
