"""What `badgectl verify` has found, for people and as JSON."""

from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

from badgectl.terminal_text import json_line, printable
from badgectl.verify_run import Findings
from domain.awards import award_event_id
from storage.verification import Difference, Example

_SAID = {
    Difference.MISSING: "missing: an award without an event",
    Difference.DOUBLED: "doubled: an award with more than one event",
    Difference.FOREIGN: "foreign: an event without an award",
}


def print_json(findings: Findings) -> None:
    """Print everything, as one line of JSON."""
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
                "pending": findings.pending,
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


def print_findings(console: Console, findings: Findings) -> None:
    """Print what was read and what differs."""
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


def print_verdict(console: Console, findings: Findings) -> None:
    """Print what was repaired, and whether all is well now."""
    if findings.repaired:
        published = findings.repaired - findings.pending
        console.print(f"{published:,} of {findings.repaired:,} repaired events published", highlight=False)
    console.print("all is well" if findings.is_well else "not all is well", highlight=False)


def _print_example(console: Console, example: Example) -> None:
    tenant_id, participant_id, badge_id = example.award
    times = f"  {example.events} events" if example.events else ""
    line = f"    tenant {tenant_id}  badge {badge_id}  {participant_id}{times}"
    console.print(escape(printable(line)), soft_wrap=True, highlight=False)
