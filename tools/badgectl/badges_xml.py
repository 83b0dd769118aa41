"""Reads the `Badges.xml` of a Stack Exchange data dump.

Source: the dump's schema. One `row` element a badge earned, with the attributes `UserId`, `Name`, `Date` (UTC,
without a zone) and `Class` (1 gold, 2 silver, 3 bronze).
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO
from xml.etree import ElementTree as ET

from badgectl.badge_codes import BadgeCodes
from badgectl.import_rows import BrokenFileError, ImportRow, InvalidRow, Row, checked_row
from domain.badges import Rarity
from domain.errors import InvalidValueError
from domain.limits import BADGE_NAME_LENGTH, check_text
from domain.times import parse_instant

ROOT = "badges"

_RARITIES = {"1": Rarity.LEGENDARY, "2": Rarity.RARE, "3": Rarity.COMMON}
_ZONE = re.compile(r"([Zz]|[+-]\d{2}:\d{2})\Z", re.ASCII)


def read_badges_xml(file: BinaryIO, now: datetime) -> Iterator[Row]:
    """Yield each row; see `import_rows.RowReader`."""
    codes = BadgeCodes()
    number = 0
    try:
        for element in _children(file):
            number += 1
            try:
                yield _row(number, element, codes, now)
            except InvalidValueError as error:
                yield InvalidRow(number, str(error))
    except (ET.ParseError, LookupError, ValueError) as error:  # the latter two: encodings it does not know
        raise BrokenFileError(f"it is not well-formed XML after row {number:,}: {error}") from error


def _children(file: BinaryIO) -> Iterator[ET.Element]:
    """Each child of the root; it is gone with the next one, so that memory does not grow."""
    root: ET.Element | None = None
    depth = 0
    events = ET.iterparse(file, events=("start", "end"))  # noqa: S314 - the operator's own file; expat bounds entities
    for event, element in events:
        if event == "start":
            depth += 1
            if root is None:
                root = _checked_root(element)
        else:
            depth -= 1
            if depth == 1:
                yield element
                if root is not None:
                    root.clear()


def _checked_root(root: ET.Element) -> ET.Element:
    if root.tag != ROOT:
        raise BrokenFileError(f"it is not a Badges.xml: its root element is <{root.tag}>, not <{ROOT}>")
    return root


def _row(number: int, element: ET.Element, codes: BadgeCodes, now: datetime) -> ImportRow:
    if element.tag != "row":
        raise InvalidValueError(f"<{element.tag}>", "is not a <row>")
    values = element.attrib
    name = check_text("Name", _required(values, "Name"), longest=BADGE_NAME_LENGTH)
    date = _required(values, "Date")
    kind = values.get("Class")
    if kind is not None and kind not in _RARITIES:
        raise InvalidValueError("Class", f"must be 1, 2 or 3, not {kind[:20]!r}")
    return checked_row(
        number,
        participant_id=_required(values, "UserId"),
        badge_code=codes.code_of(name),
        badge_name=name,
        rarity=None if kind is None else _RARITIES[kind],
        earned_at=parse_instant("Date", date if _ZONE.search(date) else f"{date}Z"),
        metadata=None,
        now=now,
    )


def _required(values: dict[str, str], name: str) -> str:
    value = values.get(name)
    if not value:
        raise InvalidValueError(name, "is missing")
    return value
