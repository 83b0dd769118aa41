"""Instants: RFC 3339 text, UTC, microseconds; and the clock that is passed in."""

import re
from datetime import UTC, datetime, timedelta
from typing import Protocol

from domain.errors import InvalidValueError

FUTURE_TOLERANCE = timedelta(minutes=5)

_RFC3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]([01]\d|2[0-3]):[0-5]\d:\d{2}(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)", re.ASCII
)


class Clock(Protocol):
    """Tells the time, in UTC."""

    def __call__(self) -> datetime:
        """Return the present instant, with a zone."""
        ...


def utc_now() -> datetime:
    """The clock of the machine, in UTC."""
    return datetime.now(UTC)


def parse_instant(field: str, text: object) -> datetime:
    """Read an RFC 3339 instant with a zone; digits beyond the microsecond are dropped.

    Raises:
        InvalidValueError: not RFC 3339, without a zone, no such day, or outside years 1 to 9999.
    """
    if not isinstance(text, str) or not _RFC3339.fullmatch(text):
        raise InvalidValueError(field, "must be an RFC 3339 date and time with a zone")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidValueError(field, f"is not a possible instant: {error}") from error


def format_instant(instant: datetime) -> str:
    """`instant` as RFC 3339 in UTC with `Z`, microseconds only when there are any."""
    return instant.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
