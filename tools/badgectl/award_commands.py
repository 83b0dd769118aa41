"""`badgectl award` and `badgectl badges`: the gateway's calls for participants, by hand."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from badgectl import addresses
from badgectl.failures import CommandError, failures_told
from badgectl.gateway_client import get_badges, post_award
from badgectl.terminal_text import json_line, printable, result_console
from domain.errors import DomainError
from domain.json_text import parse_json

_Participant = Annotated[str, typer.Argument(help="The participant's id.")]
_Url = Annotated[str | None, typer.Option(envvar="BADGES_URL", help="The gateway. Default: the stack here.")]
_Key = Annotated[str | None, typer.Option(envvar="BADGES_KEY", help="The API key. Default: the stack's live key.")]
_Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


def award(
    participant: _Participant,
    code: Annotated[str, typer.Argument(help="The badge's code.")],
    *,
    metadata: Annotated[str | None, typer.Option(help="A JSON object to keep with the award.")] = None,
    url: _Url = None,
    key: _Key = None,
    as_json: _Json = False,
) -> None:
    """Award a badge over HTTP, and show the answer."""
    body: dict[str, object] = {"participant_id": participant, "badge_code": code}
    with failures_told():
        if metadata is not None:
            body["metadata"] = _metadata(metadata)
        answer = post_award(addresses.gateway(url, key), body)
    if as_json:
        typer.echo(json_line(answer))
        return
    how = "had it already, since" if answer["already_earned"] else "earned it at"
    badge = f"{answer['badge_name']} ({answer['rarity']})"
    typer.echo(printable(f"{badge}: {answer['participant_id']} {how} {answer['earned_at']}"))


def badges(
    participant: _Participant,
    *,
    earned_only: Annotated[bool, typer.Option("--earned-only", help="Leave out what is not earned.")] = False,
    url: _Url = None,
    key: _Key = None,
    as_json: _Json = False,
) -> None:
    """List a participant's badges."""
    with failures_told():
        answer = get_badges(addresses.gateway(url, key), participant, earned_only=earned_only)
    if as_json:
        typer.echo(json_line(answer))
        return
    table = Table("code", "name", "rarity", "category", "earned at", box=None)
    for badge in answer["badges"]:
        values = (
            badge["code"],
            badge["name"],
            badge["rarity"],
            badge.get("category") or "",
            badge.get("earned_at") or "-",
        )
        table.add_row(*(escape(printable(value)) for value in values))
    console = result_console()
    console.print(table)
    console.print(f"{answer['earned_count']} of {answer['total']} earned", highlight=False)


def _metadata(text: str) -> object:
    try:
        return parse_json(text.encode(errors="surrogateescape"))
    except DomainError as error:
        raise CommandError(f"--metadata: {error}") from error
