"""The options `--since` and `--until`: an instant, or how long ago."""

import re
from datetime import datetime, timedelta
from typing import Annotated

import typer

from badgectl.failures import CommandError
from domain.errors import InvalidValueError
from domain.times import parse_instant

Since = Annotated[str | None, typer.Option(metavar="TIME", help="From then on: RFC 3339, or 90s, 15m, 2h, 7d ago.")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Before then: the same forms.")]

_AGO = re.compile(r"(\d{1,9})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def instant_of(option: str, text: str | None, *, now: datetime) -> datetime | None:
    """Return the instant that the option names; None when it was not given.

    Raises:
        CommandError: neither an instant nor a time ago.
    """
    if text is None:
        return None
    try:
        if ago := _AGO.fullmatch(text):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return parse_instant(option, text)
    except (InvalidValueError, OverflowError) as error:
        raise CommandError(f"{option} must be RFC 3339 with a zone, or a time ago such as 2h: not {text!r}") from error
