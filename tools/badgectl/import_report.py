"""How an import ends: a table for people, an object for programs."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from badgectl.badge_codes import slug
from badgectl.import_rows import FileFormat
from badgectl.import_tally import Tally
from badgectl.terminal_text import printable
from domain.awards import RejectionReason

MOST_BADGES = 40
SAFE_AGAIN = "The same command is safe to run again: what is awarded counts as already earned."
_NAMED = 10


def summary(tally: Tally, *, seconds: float, is_rehearsal: bool) -> dict[str, Any]:
    """Return the whole outcome, as it is printed with `--json`."""
    asked = (
        {}
        if is_rehearsal
        else {
            "published": tally.published,
            "not_answered": tally.not_answered,
            "not_published": tally.not_published,
        }
    )
    return {
        "dry_run": is_rehearsal,
        "complete": tally.is_complete,
        "stopped": tally.stopped,
        "rows": tally.rows,
        "invalid": tally.invalid,
        "skipped": tally.skipped,
        "first_invalid": [{"number": row.number, "problem": row.problem} for row in tally.first_invalid],
        **asked,
        "awarded": tally.awarded,
        "already_earned": tally.already_earned,
        "rejected": {reason.value: count for reason, count in sorted(tally.rejected.items())},
        "created_badges": tally.created,
        "seconds": round(seconds, 3),
        "rows_per_second": round(tally.rows / seconds) if seconds else 0,
        "badges": [
            {
                "code": code,
                "name": badge.name,
                "awarded": badge.awarded,
                "already_earned": badge.already_earned,
                "rejected": badge.rejected,
                "skipped": badge.skipped,
            }
            for code, badge in tally.badges.items()
        ],
    }


def print_report(
    console: Console, tally: Tally, *, seconds: float, is_rehearsal: bool, file_format: FileFormat
) -> None:
    """Print the closing tables."""
    if is_rehearsal and tally.badges:
        console.print(_badge_table(tally))
    console.print(_total_table(tally, is_rehearsal=is_rehearsal))
    if tally.created:
        verb = "would be created" if is_rehearsal else "created"
        console.print(f"Badges {verb} ({len(tally.created)}): {_listed(tally.created)}", highlight=False)
    if file_format is FileFormat.XML:
        _print_marked_codes(console, tally)
    if is_rehearsal and tally.rejected[RejectionReason.BADGE_NOT_FOUND]:
        console.print(
            "A badge that is not defined, or inactive, stops the import: --create-badges defines those that are not, "
            "--skip-unawardable leaves the rows out."
        )
    rate = tally.rows / seconds if seconds else 0
    console.print(f"{tally.rows:,} rows in {seconds:.1f} s: {rate:,.0f} rows/s", highlight=False)
    if tally.published and tally.stopped is None:
        console.print(SAFE_AGAIN)


def print_problems(console: Console, tally: Tally, *, unit: str) -> None:
    """Print the first invalid rows, and why the import stopped, if it did."""
    for row in tally.first_invalid:
        console.print(f"{unit} {row.number:,}: {escape(printable(row.problem))}", soft_wrap=True, highlight=False)
    more = tally.invalid - len(tally.first_invalid)
    if more > 0:
        console.print(f"and {more:,} more invalid rows", highlight=False)
    if tally.stopped is not None:
        console.print(f"[red]error:[/] {escape(printable(tally.stopped))}", soft_wrap=True, highlight=False)


def _total_table(tally: Tally, *, is_rehearsal: bool) -> Table:
    table = Table("", "rows", box=None, show_header=False)
    table.columns[1].justify = "right"
    lines = [("read", tally.rows), ("invalid", tally.invalid)]
    if tally.skipped:
        lines.append(("skipped", tally.skipped))
    if not is_rehearsal:
        lines.append(("published", tally.published))
    lines += [
        ("would be awarded" if is_rehearsal else "awarded", tally.awarded),
        ("already earned", tally.already_earned),
        ("rejected", tally.rejected.total()),
        *((f"  {reason.value}", count) for reason, count in sorted(tally.rejected.items())),
    ]
    if not is_rehearsal:
        lines.append(("not answered", tally.not_answered))
        if tally.not_published:
            lines.append(("not published", tally.not_published))
    for label, count in lines:
        table.add_row(label, f"{count:,}")
    return table


def _badge_table(tally: Tally) -> Table:
    created = set(tally.created)
    table = Table("badge", "name", "to award", "earned", "rejected", "skipped", "", box=None)
    for column in table.columns[2:6]:
        column.justify = "right"
    largest = sorted(tally.badges.items(), key=lambda entry: -_rows_of(tally, entry[0]))
    for code, badge in largest[:MOST_BADGES]:
        note = "new" if code in created else "not defined, or inactive" if badge.rejected or badge.skipped else ""
        counts = (f"{count:,}" for count in (badge.awarded, badge.already_earned, badge.rejected, badge.skipped))
        table.add_row(escape(printable(code)), escape(printable(badge.name)), *counts, note)
    if len(largest) > MOST_BADGES:
        table.caption = f"and {len(largest) - MOST_BADGES} more badges (--json lists all)"
    return table


def _rows_of(tally: Tally, code: str) -> int:
    badge = tally.badges[code]
    return badge.awarded + badge.already_earned + badge.rejected + badge.skipped


def _print_marked_codes(console: Console, tally: Tally) -> None:
    """Name the badges whose plain code another name had taken."""
    marked = [(badge.name, code) for code, badge in tally.badges.items() if slug(badge.name) != code]
    for name, code in marked[:_NAMED]:
        console.print(
            f"'{escape(printable(name))}' has the code {code}: its plain code is another badge's", highlight=False
        )
    if len(marked) > _NAMED:
        console.print(f"and {len(marked) - _NAMED} more such codes", highlight=False)


def _listed(codes: list[str]) -> str:
    shown = escape(printable(", ".join(codes[:_NAMED])))
    return shown if len(codes) <= _NAMED else f"{shown}, …"
