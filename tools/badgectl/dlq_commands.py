"""`badgectl dlq`: requests that were rejected, and how to have them decided again."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from badgectl import addresses
from badgectl.database_calls import SURVEY_SECONDS, in_database
from badgectl.dlq_filters import Badges, Json, Reasons, Wanted, filter_of, place_of
from badgectl.dlq_letters import find_letter, letter_json, print_letter
from badgectl.dlq_redrive_command import redrive_command
from badgectl.dlq_tables import count_json, print_rejections, print_summary, rejection_json
from badgectl.failures import CommandError, failures_told
from badgectl.periods import Since, Until
from badgectl.tenant_choice import TenantOrAll
from badgectl.terminal_text import json_line, result_console
from storage.database import Connection
from storage.rejections import Rejection, RejectionCount, RejectionFilter, list_rejections, summarize_rejections

FIND_SECONDS = 30.0

dlq = typer.Typer(help="Requests that were rejected, and their dead letters.", no_args_is_help=True)

dlq.command("redrive")(redrive_command)


@dlq.command("list")
def list_command(
    *,
    reason: Reasons = None,
    tenant: TenantOrAll = None,
    badge: Badges = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, help="Show so many.")] = 50,
    as_json: Json = False,
) -> None:
    """Show rejected requests, newest first, and how many there are for each reason."""
    wanted = Wanted(reasons=reason or (), tenant=tenant, badges=badge or (), since=since, until=until)

    async def look(connection: Connection) -> Sequence[Rejection]:
        return await list_rejections(connection, await filter_of(connection, wanted), limit=limit)

    async def count(connection: Connection) -> Sequence[RejectionCount]:
        return await summarize_rejections(connection, await filter_of(connection, wanted))

    rejections = in_database(look, statement_seconds=SURVEY_SECONDS)
    console = result_console()
    if not as_json:  # now: to count all of them may take minutes, or fail
        print_rejections(console, rejections)
    counts = in_database(count, statement_seconds=SURVEY_SECONDS)
    if as_json:
        found = {"summary": [count_json(c) for c in counts], "rejected": [rejection_json(r) for r in rejections]}
        typer.echo(json_line(found))
        return
    total = sum(count.requests for count in counts)
    if total > len(rejections):
        console.print(f"… and {total - len(rejections):,} older ones (--limit)", highlight=False)
    if rejections:
        console.print()
    print_summary(console, counts, by_tenant=False)


@dlq.command()
def show(
    request: Annotated[str, typer.Argument(metavar="ID", help="TOPIC-PARTITION-OFFSET, as `dlq list` prints it.")],
    *,
    as_json: Json = False,
    patience: Annotated[float, typer.Option(min=1, help="Look for the dead letter so many seconds.")] = FIND_SECONDS,
) -> None:
    """Show one rejected request and its dead letter: key, headers, value, and why."""
    with failures_told():
        places = RejectionFilter(places=[place_of(request)])
    # Of a topic that was made anew, the newest.
    found = in_database(lambda connection: list_rejections(connection, places, limit=1))
    with failures_told():
        if not found:
            raise CommandError(f"no request {request} was rejected, or it is no longer kept (90 days)")
        letter = asyncio.run(find_letter(addresses.kafka_settings(), found[0], seconds=patience))
    if as_json:
        typer.echo(json_line({**rejection_json(found[0]), "dead_letter": letter and letter_json(letter)}))
        return
    console = result_console()
    print_rejections(console, found)
    if letter is None:
        console.print(f"Its dead letter was not found within {patience:.0f} s: not published yet, or deleted.")
    else:
        print_letter(console, letter)
