"""`badgectl award` and `badgectl badges`: the gateway's calls for participants, by hand."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from badgectl import addresses
from badgectl.failures import CommandError, failures_told
from badgectl.gateway_client import gateway_client
from badgectl.terminal_text import json_line, printable, result_console
from badges_client import Award, ParticipantBadges
from domain.errors import DomainError, JsonMalformedError
from domain.json_text import json_type, parse_json
from domain.limits import BADGE_CODE_LENGTH, PARTICIPANT_ID_LENGTH, check_metadata
from domain.times import format_instant

_Participant = Annotated[str, typer.Argument(help="The participant's id.")]
_Url = Annotated[str | None, typer.Option(envvar="BADGES_URL", help="The gateway. Default: the stack here.")]
_Key = Annotated[str | None, typer.Option(envvar="BADGES_KEY", help="The API key. Default: the stack's live key.")]
_Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]

_WANTED_METADATA = """--metadata must be a JSON object such as '{"trigger": "10th_login"}'"""


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
    with failures_told(), gateway_client(addresses.gateway(url, key)) as client:
        _check_length("the participant's id", participant, PARTICIPANT_ID_LENGTH)
        _check_length("the badge's code", code, BADGE_CODE_LENGTH)
        kept = None if metadata is None else _metadata(metadata)
        answer = client.award(participant, code, kept)
    if as_json:
        typer.echo(_as_json(answer))
        return
    how = "had it already, since" if answer.already_earned else "earned it at"
    badge = f"{answer.badge_name} ({answer.rarity})"
    typer.echo(printable(f"{badge}: {answer.participant_id} {how} {format_instant(answer.earned_at)}"))


def badges(
    participant: _Participant,
    *,
    earned_only: Annotated[bool, typer.Option("--earned-only", help="Leave out what is not earned.")] = False,
    url: _Url = None,
    key: _Key = None,
    as_json: _Json = False,
) -> None:
    """List a participant's badges."""
    with failures_told(), gateway_client(addresses.gateway(url, key)) as client:
        _check_length("the participant's id", participant, PARTICIPANT_ID_LENGTH)
        answer = client.participant_badges(participant, earned_only=earned_only)
    if as_json:
        typer.echo(_as_json(answer))
        return
    table = Table("code", "name", "rarity", "category", "earned at", box=None)
    for badge in answer.badges:
        earned_at = "-" if badge.earned_at is None else format_instant(badge.earned_at)
        values = (badge.code, badge.name, badge.rarity, badge.category or "", earned_at)
        table.add_row(*(escape(printable(value)) for value in values))
    console = result_console()
    console.print(table)
    console.print(f"{answer.earned_count} of {answer.total} earned", highlight=False)


def _check_length(what: str, text: str, longest: int) -> None:
    if not text:
        raise CommandError(f"{what} must not be empty")
    if len(text) > longest:
        raise CommandError(f"{what} must have at most {longest} characters, not {len(text):,}")


def _metadata(text: str) -> dict[str, object] | None:
    try:
        value = parse_json(text.encode(errors="surrogateescape"))
        if not isinstance(value, dict):
            raise CommandError(f"{_WANTED_METADATA}, not {json_type(value)}: {text[:40]!r}")
        return check_metadata(value)
    except JsonMalformedError as error:
        raise CommandError(f"{_WANTED_METADATA}, and {text[:40]!r} is not JSON: {error}") from error
    except DomainError as error:
        raise CommandError(f"--metadata: {error}") from error


def _as_json(answer: Award | ParticipantBadges) -> str:
    """The answer in the API's own names and order."""
    return json_line(asdict(answer, dict_factory=lambda items: {name: _plain(value) for name, value in items}))


def _plain(value: object) -> object:
    return format_instant(value) if isinstance(value, datetime) else value
