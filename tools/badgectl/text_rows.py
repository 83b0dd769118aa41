"""Reads rows from CSV and from NDJSON, one line at a time."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import BinaryIO

from badgectl.import_rows import BrokenFileError, ImportRow, InvalidRow, Row, checked_rarity, checked_row
from domain.errors import DomainError, InvalidValueError
from domain.json_text import json_type, parse_json
from domain.times import parse_instant

REQUIRED = ("participant_id", "badge_code")
COLUMNS = (*REQUIRED, "earned_at", "metadata", "badge_name", "rarity")
LINE_BYTES = 1024 * 1024

_BOM = b"\xef\xbb\xbf"


def read_csv(file: BinaryIO, now: datetime) -> Iterator[Row]:
    """Yield each row after the header; an empty field is an absent one. See `import_rows.RowReader`."""
    # Bytes that are not UTF-8 come through as lone surrogates, which make their row invalid, not the file.
    lines = (line.decode(errors="surrogateescape") for line in _lines(file))
    reader = csv.reader(lines, strict=True)
    header = _header(reader)
    while True:
        try:
            fields = next(reader)
            if fields:
                yield _csv_row(reader.line_num, header, fields, now)
        except StopIteration:
            return
        except csv.Error as error:
            yield InvalidRow(reader.line_num, f"not CSV: {error}")
        except DomainError as error:
            yield InvalidRow(reader.line_num, str(error))


def read_ndjson(file: BinaryIO, now: datetime) -> Iterator[Row]:
    """Yield the object of each line that is not blank. See `import_rows.RowReader`."""
    for number, line in enumerate(_lines(file), start=1):
        if line.isspace():
            continue
        try:
            yield _json_row(number, parse_json(line), now)
        except DomainError as error:
            yield InvalidRow(number, str(error))


def _lines(file: BinaryIO) -> Iterator[bytes]:
    number = 0
    while line := file.readline(LINE_BYTES):
        number += 1
        if len(line) == LINE_BYTES:
            raise BrokenFileError(f"line {number:,} has {LINE_BYTES:,} bytes or more")
        yield line.removeprefix(_BOM) if number == 1 else line


def _header(reader: Iterator[list[str]]) -> Sequence[str]:
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise BrokenFileError(f"its header is not CSV: {error}") from error
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise BrokenFileError(f"its header lacks {', '.join(missing)}; known columns: {', '.join(COLUMNS)}")
    unknown = [name for name in header if name not in COLUMNS]
    if unknown or len(set(header)) < len(header):
        what = f"unknown columns ({', '.join(unknown)[:100]})" if unknown else "a column twice"
        raise BrokenFileError(f"its header has {what}; known columns: {', '.join(COLUMNS)}")
    return header


def _csv_row(number: int, header: Sequence[str], fields: Sequence[str], now: datetime) -> ImportRow:
    if len(fields) > len(header):
        raise InvalidValueError("the row", f"has {len(fields)} fields, the header {len(header)}")
    values: dict[str, object] = {name: field for name, field in zip(header, fields, strict=False) if field}
    metadata = values.get("metadata")
    if isinstance(metadata, str):
        values["metadata"] = parse_json(metadata.encode(errors="surrogateescape"))
    return _row(number, values, now)


def _json_row(number: int, value: object, now: datetime) -> ImportRow:
    if not isinstance(value, dict):
        raise InvalidValueError("the line", f"must hold a JSON object, not {json_type(value)}")
    unknown = [name for name in value if name not in COLUMNS]
    if unknown:
        raise InvalidValueError(ascii(unknown[0])[:50], f"is not a known field ({', '.join(COLUMNS)})")
    return _row(number, {name: field for name, field in value.items() if field is not None}, now)


def _row(number: int, values: Mapping[str, object], now: datetime) -> ImportRow:
    for name in REQUIRED:
        if name not in values:
            raise InvalidValueError(name, "is missing")
    return checked_row(
        number,
        participant_id=values["participant_id"],
        badge_code=values["badge_code"],
        badge_name=values.get("badge_name"),
        rarity=checked_rarity(values.get("rarity")),
        earned_at=parse_instant("earned_at", values["earned_at"]) if "earned_at" in values else None,
        metadata=values.get("metadata"),
        now=now,
    )
