"""The rows of an import file: what every format comes to, and what makes a row invalid."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import BinaryIO, TypeAlias

from domain.badges import Rarity
from domain.errors import InvalidValueError
from domain.limits import BADGE_CODE_LENGTH, BADGE_NAME_LENGTH, PARTICIPANT_ID_LENGTH, check_metadata, check_text
from domain.times import FUTURE_TOLERANCE


class FileFormat(StrEnum):
    """What an import file is."""

    XML = "xml"
    CSV = "csv"
    NDJSON = "ndjson"


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One award to ask for. `number` is the row's or line's; `rarity` and a missing date are open."""

    number: int
    participant_id: str
    badge_code: str
    badge_name: str
    rarity: Rarity | None
    earned_at: datetime | None
    metadata: dict[str, object] | None


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """A row that asks for nothing that could be awarded."""

    number: int
    problem: str


Row: TypeAlias = ImportRow | InvalidRow

RowReader: TypeAlias = Callable[[BinaryIO, datetime], Iterator[Row]]
"""Reads a file's rows one by one; the instant is now. Raises `BrokenFileError` where it cannot go on."""


class BrokenFileError(Exception):
    """The file cannot be read beyond this point; the message says where."""


def checked_row(  # noqa: PLR0913 - a row has so many columns
    number: int,
    *,
    participant_id: object,
    badge_code: object,
    badge_name: object,
    rarity: Rarity | None,
    earned_at: datetime | None,
    metadata: object,
    now: datetime,
) -> ImportRow:
    """Make a row, within the limits that hold for every request.

    Raises:
        InvalidValueError: a value does not fit; the error names it.
    """
    if earned_at is not None and earned_at > now + FUTURE_TOLERANCE:
        raise InvalidValueError("earned_at", "is more than 5 minutes in the future")
    code = check_text("badge_code", badge_code, longest=BADGE_CODE_LENGTH)
    return ImportRow(
        number,
        check_text("participant_id", participant_id, longest=PARTICIPANT_ID_LENGTH),
        code,
        code if badge_name is None else check_text("badge_name", badge_name, longest=BADGE_NAME_LENGTH),
        rarity,
        earned_at,
        check_metadata(metadata),
    )


def checked_rarity(value: object) -> Rarity | None:
    """Read a rarity; None stays None.

    Raises:
        InvalidValueError: no such rarity.
    """
    if value is None:
        return None
    try:
        return Rarity(str(value))
    except ValueError as error:
        raise InvalidValueError("rarity", f"must be one of {', '.join(Rarity)}") from error
