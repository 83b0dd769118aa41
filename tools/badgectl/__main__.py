"""`badgectl`: the operators' command line."""

from importlib.metadata import version
from typing import Annotated

import typer

from badgectl.command_group import MARKUP, CommandGroup
from telemetry.logs import configure_logs

app = typer.Typer(
    name="badgectl",
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode=MARKUP,
)


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
