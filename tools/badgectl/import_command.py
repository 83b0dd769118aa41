"""`badgectl import`: award requests from a file."""

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console

from badgectl import addresses
from badgectl.database_calls import SURVEY_SECONDS
from badgectl.failures import INTERRUPTED, failures_told
from badgectl.import_files import ImportFile, format_of, open_import
from badgectl.import_progress import progress_shown
from badgectl.import_rehearsal import rehearse_import
from badgectl.import_report import SAFE_AGAIN, print_problems, print_report, summary
from badgectl.import_rows import FileFormat
from badgectl.import_run import ImportPlan, run_import
from badgectl.import_tally import Tally
from badgectl.tenant_choice import EnvironmentMeant, TenantMeant, meant_tenant
from badgectl.terminal_text import result_console
from badgectl.under_way import STALL_SECONDS
from domain.tenants import Environment
from domain.times import utc_now
from storage.database import Database

APPLICATION = "badgectl-import"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wishes:
    """The command's options."""

    path: Path
    file_format: FileFormat
    creates_badges: bool
    skips_unawardable: bool
    is_rehearsal: bool
    skips_invalid: bool
    tenant: str | None
    environment: Environment | None
    patience: float


def import_file(  # noqa: PLR0913 - one parameter an option
    file: Annotated[Path, typer.Argument(help="A Stack Exchange Badges.xml, a CSV or an NDJSON file.")],
    *,
    file_format: Annotated[
        FileFormat | None, typer.Option("--format", help="What the file is, if its name does not tell.")
    ] = None,
    create_badges: Annotated[
        bool, typer.Option("--create-badges", help="Define the badges that the tenant does not have.")
    ] = False,
    skip_unawardable: Annotated[
        bool, typer.Option("--skip-unawardable", help="Leave out the rows of badges that are not defined or inactive.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Publish and create nothing; show what would happen.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
    skip_invalid: Annotated[
        bool, typer.Option("--skip-invalid", help="End with 0 though rows that cannot be read were left out.")
    ] = False,
    tenant: TenantMeant = None,
    environment: EnvironmentMeant = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many rows.")] = None,
    patience: Annotated[
        float, typer.Option(min=1, help="Give up when nothing moves for so many seconds.")
    ] = STALL_SECONDS,
) -> None:
    """Ask for the awards in FILE, with their original dates. Safe to run again: what is awarded counts as earned.

    A badge that is not defined, or inactive, stops the import before its first row, rather than making a dead
    letter of each: see --create-badges, --skip-unawardable and --dry-run.

    CSV has a header, NDJSON one object a line, with the fields participant_id and badge_code, and if wanted
    earned_at (RFC 3339), metadata (a JSON object), badge_name and rarity.
    A row that cannot be read is left out and told of. Exit code 0 when there was none (or with --skip-invalid) and
    every published request got its outcome, else 1.
    """
    with failures_told():
        wishes = _Wishes(
            path=file,
            file_format=format_of(file, file_format),
            creates_badges=create_badges,
            skips_unawardable=skip_unawardable,
            is_rehearsal=dry_run,
            skips_invalid=skip_invalid,
            tenant=tenant,
            environment=environment,
            patience=patience,
        )
        with open_import(file, wishes.file_format, now=utc_now(), limit=limit) as rows:
            exit_code = _carry_out(wishes, rows, as_json=as_json)
    if exit_code:
        raise typer.Exit(exit_code)


def _carry_out(wishes: _Wishes, rows: ImportFile, *, as_json: bool) -> int:
    """Import or rehearse, tell how it ended, and return the exit code."""
    console, tally, began = Console(stderr=True), Tally(), time.monotonic()
    is_interrupted = False
    try:
        with progress_shown(console, rows, tally):
            asyncio.run(_rehearse(wishes, rows, tally) if wishes.is_rehearsal else _publish(wishes, rows, tally))
    except KeyboardInterrupt:
        is_interrupted = True
    seconds = time.monotonic() - began
    tally.stopped = _reason(wishes, rows, tally, is_interrupted=is_interrupted)
    print_problems(console, tally, unit="row" if wishes.file_format is FileFormat.XML else "line")
    if tally.invalid and not wishes.skips_invalid:
        console.print("Invalid rows are left out: mend them and run it again, or say --skip-invalid.")
    if as_json:
        typer.echo(json.dumps(summary(tally, seconds=seconds, is_rehearsal=wishes.is_rehearsal), indent=2))
    else:
        report = result_console()
        print_report(report, tally, seconds=seconds, is_rehearsal=wishes.is_rehearsal, file_format=wishes.file_format)
    if is_interrupted:
        return INTERRUPTED
    return 0 if tally.is_complete and (wishes.skips_invalid or not tally.invalid) else 1


def _reason(wishes: _Wishes, rows: ImportFile, tally: Tally, *, is_interrupted: bool) -> str | None:
    """Why the import is not complete, and how to go on; None when it is."""
    again = "" if wishes.is_rehearsal else f" {SAFE_AGAIN}"
    if is_interrupted:
        return f"interrupted.{again}"
    if tally.stopped is not None:
        return f"{tally.stopped}{again}"
    if rows.broken is not None:
        return f"{wishes.path} is broken: {rows.broken}. Mend it; the {tally.rows:,} rows before are done.{again}"
    return None


async def _tenant_id(database: Database, wishes: _Wishes) -> UUID:
    async with database.reading() as connection:
        return await meant_tenant(connection, wishes.tenant, wishes.environment)


async def _publish(wishes: _Wishes, rows: ImportFile, tally: Tally) -> None:
    kafka = addresses.kafka_settings()
    database = Database(addresses.database_url(), application=APPLICATION, pool_size=2)
    try:
        plan = ImportPlan(
            tenant_id=await _tenant_id(database, wishes),
            kafka=kafka,
            database=database,
            creates_badges=wishes.creates_badges,
            skips_unawardable=wishes.skips_unawardable,
            clock=utc_now,
            stall_seconds=wishes.patience,
        )
        await run_import(plan, rows, tally)
    finally:
        await database.close()


async def _rehearse(wishes: _Wishes, rows: ImportFile, tally: Tally) -> None:
    database = Database(
        addresses.database_url(), application=APPLICATION, pool_size=1, statement_seconds=SURVEY_SECONDS
    )
    try:
        await rehearse_import(
            database,
            rows,
            tally,
            tenant_id=await _tenant_id(database, wishes),
            creates_badges=wishes.creates_badges,
            skips_unawardable=wishes.skips_unawardable,
        )
    finally:
        await database.close()
