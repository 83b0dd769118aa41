"""`badgectl worker`: what operators tell the workers."""

from datetime import timedelta
from typing import Annotated

import typer

from badgectl.database_calls import in_database
from badgectl.terminal_text import json_line
from storage.brake import release_brakes

LONGEST_MINUTES = 24 * 60

worker = typer.Typer(help="The award workers.", no_args_is_help=True)


@worker.callback()
def commands() -> None:
    """Tell the award workers what to do."""


@worker.command()
def resume(
    *,
    minutes: Annotated[
        int, typer.Option("--for", metavar="MINUTES", min=1, max=LONGEST_MINUTES, help="How long the brake stays off.")
    ] = 5,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Have the workers go on that the brake has stopped.

    They stop when nearly everything is rejected. Mend the cause first (a badge that is not defined, say): they
    then go on by themselves within a minute. After this command they decide whatever comes; what cannot be
    awarded becomes a dead letter.
    """
    if not yes:
        typer.confirm(
            f"What cannot be awarded will be dead-lettered for the next {minutes} min. Go on?", abort=True, err=True
        )
    duration = timedelta(minutes=minutes)
    in_database(lambda connection: release_brakes(connection, duration))
    typer.echo(json_line({"released_minutes": minutes}) if as_json else f"The brake is off for {minutes} min.")
