"""`badgectl`: the operators' command line."""

from importlib.metadata import version
from typing import Annotated

import typer

from badgectl.award_commands import award, badges
from badgectl.command_group import CommandGroup
from badgectl.dlq_commands import dlq
from badgectl.event_commands import events
from badgectl.explain_command import explain_badge
from badgectl.import_command import import_file
from badgectl.key_commands import keys
from badgectl.lag_command import lag
from badgectl.replay_command import replay_command
from badgectl.schema_commands import migrate, topics
from badgectl.stack_commands import down, status, up
from badgectl.tenant_commands import tenants
from badgectl.verify_command import verify
from badgectl.worker_commands import worker
from telemetry.logs import configure_logs

app = typer.Typer(
    name="badgectl",
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="markdown",  # joins the lines of a paragraph
)
app.command()(up)
app.command()(down)
app.command()(status)
app.command()(migrate)
app.command()(topics)
app.command("import")(import_file)
app.command()(award)
app.command()(badges)
app.command()(events)
app.command("explain")(explain_badge)
app.command()(lag)
app.command("replay")(replay_command)
app.command()(verify)
app.add_typer(tenants, name="tenants")
app.add_typer(keys, name="keys")
app.add_typer(worker, name="worker")
app.add_typer(dlq, name="dlq")


def _show_version(is_wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if is_wanted:
        typer.echo(f"badgectl {version('badges')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the libraries' warnings too.")] = False,
) -> None:
    """Run and operate Badges: the stack on this machine, imports, awards, events."""
    configure_logs("WARNING" if verbose else "CRITICAL")


if __name__ == "__main__":
    app()
